import type { Json, Offer, PriceEstimate, Provider, PublishedPriceList } from '#contract'
import type { Config } from '../config/config.ts'
import { checkPrices, type CheckedPrice, type ListedOffer, type ListReply } from '../core/prices/check-prices.ts'
import { estimateCall, estimatedIn } from '../core/prices/estimate.ts'
import { judgeSample, sampleOrder } from '../core/prices/sample-order.ts'
import { createTransport, type Transport } from '../transport/index.ts'
import { transportConfig } from './from-config.ts'
import { PUBLISHED_TIMEOUT_MS, publishedDocument } from './published-document.ts'
import { readConfiguration, type StartOptions } from './read-configuration.ts'
import { StartRefused } from './start-refused.ts'

const MOST_BYTES = 4 * 1_048_576

/**
 * The prices of the installed offers, as the manifests have them, beside those that their vendors publish for programs. Opens no data folder, so
 * a gateway may run beside it.
 * @throws StartRefused where the configuration cannot be used, or a name is unknown
 */
export async function checkPublishedPrices(
  options: StartOptions,
  only: { readonly provider?: string | undefined; readonly model?: string | undefined },
): Promise<readonly CheckedPrice[]> {
  const { catalogue, started, log } = await readConfiguration(options)
  const publishing = [...catalogue.providers.values()].filter(({ manifest }) => manifest.price_list ?? manifest.price_estimate)
  const asked = publishing.filter(({ id }) => (only.provider ?? id) === id)
  if (asked.length === 0) {
    const having = publishing.map(({ id }) => id)
    throw new StartRefused(`no provider "${only.provider}" publishes prices for programs; there are: ${having.join(', ')}`)
  }
  if (only.model !== undefined && !catalogue.models.includes(only.model))
    throw new StartRefused(`no model "${only.model}" is installed; there are: ${catalogue.models.join(', ')}`)
  const transport = createTransport(transportConfig(started, catalogue, log))
  const offersOf = ({ id, manifest }: Provider): readonly Offer[] =>
    Object.keys(manifest.models)
      .filter((model) => (only.model ?? model) === model)
      .flatMap((model) => catalogue.offers(model).find(({ provider }) => provider === id) ?? [])
  try {
    const checked: CheckedPrice[] = []
    for (const provider of asked) {
      const { price_list: list, price_estimate: estimate, models } = provider.manifest
      const offers = offersOf(provider)
      if (list === undefined) {
        if (estimate !== undefined) checked.push(...(await estimates(transport, started, provider, estimate, offers)))
      } else {
        const listed = offers.map((offer): ListedOffer => ({
          offer,
          list,
          listedAs: models[offer.model]?.listed_as ?? offer.providerModel,
        }))
        checked.push(...(await checkPrices(listed, (id, each, listedAs) => readList(transport, started, id, each, listedAs))))
      }
    }
    return checked
  } finally {
    await transport.close()
  }
}

/** What a vendor without a list says that one image would cost: a free call for each offer, with its key. */
async function estimates(
  transport: Transport,
  config: Config,
  provider: Provider,
  estimate: PriceEstimate,
  offers: readonly Offer[],
): Promise<readonly CheckedPrice[]> {
  const settings = config.providers.get(provider.id)
  const checked: CheckedPrice[] = []
  for (const offer of offers) {
    const sample = sampleOrder(provider, offer)
    if (sample === null) continue
    if (!settings?.apiKey) checked.push(judgeSample(offer, sample, { reason: settings?.reason ?? 'no API key' }))
    else {
      const sent = await transport.send(provider.id, estimateCall(estimate, sample.submit), PUBLISHED_TIMEOUT_MS)
      const published = sent.kind === 'reply' ? estimatedIn(estimate, sent.reply) : null
      const why = sent.kind === 'reply' ? `its answer (HTTP ${sent.reply.status}) has no amount` : sent.reason
      checked.push(judgeSample(offer, sample, published === null ? { reason: `not read: ${why}` } : { published }))
    }
  }
  return checked
}

/** With the provider's key where it has one; what is public is read without. */
async function readList(
  transport: Transport,
  config: Config,
  provider: string,
  list: PublishedPriceList,
  listedAs: string,
): Promise<ListReply> {
  const settings = config.providers.get(provider)
  const asked = list.url.replace('{model}', encodeURI(listedAs))
  const url = settings?.hasOwnBaseUrl === true && !asked.startsWith('/') ? asked.replace(/^https:\/\/[^/]+/, '') : asked
  if (settings?.apiKey) {
    const sent = await transport.send(provider, { purpose: 'account', method: 'GET', url }, PUBLISHED_TIMEOUT_MS)
    return sent.kind === 'reply' ? replyOf(sent.reply.status, sent.reply.body) : { kind: 'failed', reason: `not read: ${sent.reason}` }
  }
  if (!list.public) return { kind: 'failed', reason: settings?.reason ?? 'no API key' }
  const got = await publishedDocument(transport, url.startsWith('/') ? (settings?.baseUrl ?? '') + url : url, MOST_BYTES)
  if (got.kind === 'failed') return { kind: 'failed', reason: `not read: ${got.reason}` }
  return got.kind === 'body' ? got : replyOf(got.status, null)
}

function replyOf(status: number, body: Json): ListReply {
  if (status === 404) return { kind: 'gone' }
  return status >= 200 && status < 300 ? { kind: 'body', body } : { kind: 'failed', reason: `not read: it was answered HTTP ${status}` }
}
