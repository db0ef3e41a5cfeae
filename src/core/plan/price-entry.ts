import type { Offer, PriceEntry } from '#contract'
import { priceExamples } from './price-examples.ts'

const DAY_MS = 86_400_000
/** A price that was read longer ago is doubted. */
export const OLD_DAYS = 60

/** What one offer costs: its rule, its arithmetic, and a warning where it was read too long before `nowMs`. */
export function priceEntry(offer: Offer, nowMs: number): PriceEntry {
  const { model, provider, providerModel, price, surchargePercent } = offer
  return {
    object: 'price',
    model,
    provider,
    provider_model: providerModel,
    currency: 'USD',
    price,
    as_of: price?.as_of ?? null,
    surcharge_percent: surchargePercent ?? null,
    examples: priceExamples(offer),
    warning: price === null ? null : ageWarning(price.as_of, nowMs),
    source_url: price?.source_url ?? null,
  }
}

function ageWarning(asOf: string, nowMs: number): string | null {
  const days = Math.floor((nowMs - Date.parse(asOf)) / DAY_MS)
  return days > OLD_DAYS ? `read ${days} days ago: read it again at its source` : null
}
