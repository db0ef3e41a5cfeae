import type { Latency, PriceRule } from '#contract'
import type { Model } from '../client/client.ts'
import type { Verb } from './verb.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import { gatewayCommand } from './options.ts'
import { seconds, table } from './table.ts'

export const modelsVerb: Verb = (terminal, finish) =>
  gatewayCommand('models', 'who sells which model, at what price').action((options: ConnectOptions & { json?: boolean }) =>
    finish(
      withGateway(options, terminal, async ({ client }) => {
        const models = await client.models()
        terminal.out(options.json ? JSON.stringify(models, null, 2) : modelTable(models))
        return 0
      }),
    ),
  )

function modelTable(models: readonly Model[]): string {
  const rows = models.flatMap((model) =>
    model.offers.map((offer, index) => [
      index > 0 ? '' : model.alias_of === null ? model.id : `${model.id} → ${model.alias_of}`,
      offer.provider,
      offer.provider_model,
      priceInWords(offer.price, offer.surcharge_percent),
      timeInWords(offer.latency_ms),
      offer.enabled ? 'ready' : (offer.reason ?? 'disabled'),
    ]),
  )
  return table(['model', 'provider', 'its name there', 'price in USD', 'typical time', 'state'], rows)
}

const timeInWords = (latency: Latency | null): string => (latency === null ? '–' : `${seconds(latency.p50)} (of ${latency.samples})`)

export function priceInWords(price: PriceRule | null, surchargePercent?: string | null): string {
  if (price === null) return 'not published'
  const dated = `${surchargePercent ? `plus ${surchargePercent} % ` : ''}(${price.as_of})`
  switch (price.kind) {
    case 'per_image':
      return `${price.per_image} an image ${dated}`
    case 'megapixel':
      return `${price.first_output} first MP, ${price.extra_output} more MP, ${price.reference} reference MP ${dated}`
    case 'per_tier':
      return `${Object.entries(price.tiers)
        .flatMap(([tier, amount]) => (amount === null ? [] : [`${tier} ${amount}`]))
        .join(', ')} ${dated}`
    case 'token':
      return `by tokens, ${price.per_million.image_output ?? '?'} for a million of an image ${dated}`
  }
}
