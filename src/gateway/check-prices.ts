import { json as readJson } from 'node:stream/consumers'
import type { Json, PublishedPriceList } from '#contract'
import type { Config } from '../config/config.ts'
import { checkPrices, type CheckedPrice, type ListedOffer, type ListReply } from '../core/prices/check-prices.ts'
import { createTransport, type Transport } from '../transport/index.ts'
import { transportConfig } from './from-config.ts'
import { readConfiguration, type StartOptions } from './read-configuration.ts'
import { StartRefused } from './start-refused.ts'

const LIST_TIMEOUT_MS = 20_000
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
  const named = only.provider
  if (named !== undefined && catalogue.providers.get(named)?.manifest.price_list === undefined) {
    const having = [...catalogue.providers.values()].flatMap(({ id, manifest }) => (manifest.price_list ? [id] : []))
    throw new StartRefused(`no provider "${named}" publishes prices for programs; there are: ${having.join(', ')}`)
  }
  if (only.model !== undefined && !catalogue.models.includes(only.model))
    throw new StartRefused(`no model "${only.model}" is installed; there are: ${catalogue.models.join(', ')}`)
  const offers = [...catalogue.providers.values()].flatMap(({ id, manifest: { price_list: list, models } }): ListedOffer[] =>
    list === undefined || (named ?? id) !== id
      ? []
      : Object.entries(models).flatMap(([model, { listed_as: listedAs }]) => {
          const offer = catalogue.offers(model).find(({ provider }) => provider === id)
          return offer === undefined || (only.model ?? model) !== model ? [] : [{ offer, list, listedAs: listedAs ?? offer.providerModel }]
        }),
  )
  const transport = createTransport(transportConfig(started, catalogue, log))
  try {
    return await checkPrices(offers, (provider, list, listedAs) => readList(transport, started, provider, list, listedAs))
  } finally {
    await transport.close()
  }
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
    const sent = await transport.send(provider, { purpose: 'account', method: 'GET', url }, LIST_TIMEOUT_MS)
    return sent.kind === 'reply' ? replyOf(sent.reply.status, sent.reply.body) : { kind: 'failed', reason: `not read: ${sent.reason}` }
  }
  if (!list.public) return { kind: 'failed', reason: settings?.reason ?? 'no API key' }
  const got = await transport.download(url.startsWith('/') ? (settings?.baseUrl ?? '') + url : url, {
    maxBytes: MOST_BYTES,
    silenceMs: LIST_TIMEOUT_MS,
    timeoutMs: LIST_TIMEOUT_MS,
    isDocument: true,
  })
  if (got.kind === 'body') return { kind: 'body', body: (await readJson(got.stream)) as Json }
  return got.kind === 'expired' ? replyOf(got.status, null) : { kind: 'failed', reason: `not read: ${got.reason}` }
}

function replyOf(status: number, body: Json): ListReply {
  if (status === 404) return { kind: 'gone' }
  return status >= 200 && status < 300 ? { kind: 'body', body } : { kind: 'failed', reason: `not read: it was answered HTTP ${status}` }
}
