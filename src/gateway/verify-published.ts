import { compareUsd, type Call, type Json, type JsonObject, type Provider, type Usd } from '#contract'
import { compareWithSchema } from '../catalogue/learn/compare.ts'
import type { ProviderConfig } from '../config/config.ts'
import { estimateCall, estimatedIn } from '../core/prices/estimate.ts'
import { fullOrder } from '../core/verify/full-order.ts'
import type { Finding } from '../core/verify/judge-exchange.ts'
import type { Transport } from '../transport/index.ts'
import { PUBLISHED_TIMEOUT_MS, publishedDocument } from './published-document.ts'

const MOST_BYTES = 8 * 1_048_576

type Judged = Omit<Finding, 'about'>

export interface Published {
  readonly provider: Provider
  readonly settings: Pick<ProviderConfig, 'baseUrl' | 'hasOwnBaseUrl'>
  readonly transport: Pick<Transport, 'send' | 'download'>
}

/** What we would send for a model, and the bounds we have for it, beside the OpenAPI document that the vendor publishes. Spends nothing. */
export async function judgeSchema(published: Published, model: string): Promise<readonly Judged[]> {
  const { provider } = published
  const { manifest, adapter } = provider
  const entry = manifest.models[model]
  const { openapi } = manifest
  if (entry === undefined || openapi === undefined) return []
  const { limits, provider_model: providerModel } = entry
  const options = adapter.options.safeParse({}).data ?? {}
  const wanted = { model, providerModel, limits, options, webhook: manifest.declares.webhook && entry.webhook !== false }
  const numbers = [...new Set([0, limits.reference_images.max])]
  const calls = numbers.map((references) => adapter.translate(fullOrder({ ...wanted, references })).call)
  const documents = new Map<string, JsonObject | string>()
  const findings: Judged[] = []
  for (const call of calls) {
    const url = addressOf(openapi.url, call)
    const document = documents.get(url) ?? (await readDocument(published, url))
    documents.set(url, document)
    if (typeof document === 'string') return [{ verdict: 'skipped', detail: `the published schema was not read: ${document}` }]
    const known = [...openapi.unused, ...optionNames(provider)]
    for (const each of compareWithSchema(document, { calls: url.includes('?') ? [call] : calls, limits, known }))
      if (!findings.some(({ detail }) => detail === each.detail)) findings.push(each)
  }
  return findings.length > 0 ? findings : [{ verdict: 'agrees', detail: 'the published schema takes all that would be sent' }]
}

const addressOf = (pattern: string, call: Call): string => pattern.replace('{path}', call.url.replace(/\?.*$/, '').slice(1))

/** Without a key at the vendor; where the configuration has an address of its own, from there, as every call. */
async function readDocument({ provider, settings, transport }: Published, url: string): Promise<JsonObject | string> {
  if (settings.hasOwnBaseUrl) {
    const path = url.replace(/^https:\/\/[^/]+/, '')
    const sent = await transport.send(provider.id, { purpose: 'account', method: 'GET', url: path }, PUBLISHED_TIMEOUT_MS)
    if (sent.kind !== 'reply') return sent.reason
    return sent.reply.status === 200 ? objectOr(sent.reply.body) : `it was answered HTTP ${sent.reply.status}`
  }
  const got = await publishedDocument(transport, url, MOST_BYTES)
  if (got.kind === 'refused') return `it was answered HTTP ${got.status}`
  return got.kind === 'body' ? objectOr(got.body) : got.reason
}

const objectOr = (body: Json): JsonObject | string =>
  typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as JsonObject) : 'it is no JSON object'

/** What the adapter takes as options, which mostly have the vendor's own names. */
const optionNames = ({ adapter }: Provider): readonly string[] => Object.keys((adapter.options as { shape?: object }).shape ?? {})

/** The vendor's own estimate of an order beside what we quoted for it. */
export async function judgeEstimate({ provider, transport }: Published, submit: Call, quoted: Usd): Promise<readonly Judged[]> {
  const { id, manifest } = provider
  const { price_estimate: estimate } = manifest
  if (estimate === undefined) return []
  const sent = await transport.send(id, estimateCall(estimate, submit), PUBLISHED_TIMEOUT_MS)
  if (sent.kind !== 'reply') return [{ verdict: 'skipped', detail: `the vendor's estimate was not read: ${sent.reason}` }]
  const said = estimatedIn(estimate, sent.reply)
  if (said === null) return [{ verdict: 'skipped', detail: `the vendor's estimate has no amount (HTTP ${sent.reply.status})` }]
  const isEqual = compareUsd(said, quoted) === 0
  return [
    { verdict: isEqual ? 'agrees' : 'contradicts', detail: `the vendor estimates ${said}, ${isEqual ? 'as' : `and ${quoted} is`} quoted` },
  ]
}
