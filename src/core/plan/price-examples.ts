import type { Offer, PriceExamples } from '#contract'
import type { Reference } from '../records.ts'
import { quote } from './quote.ts'

const REFERENCE: Reference = { kind: 'url', url: 'https://images.example/1.jpg', pixels: { width: 1024, height: 1024 } }

/** What an offer is quoted at for three plain requests, line by line; null where it cannot do that, or its price is not published. */
export const priceExamples = (offer: Offer): PriceExamples => ({
  one_megapixel: quoted(offer, 1, []),
  two_megapixels: quoted(offer, 2, []),
  edit: quoted(offer, 1, [REFERENCE]),
})

function quoted(offer: Offer, megapixels: number, references: readonly Reference[]): PriceExamples['edit'] {
  const { offers } = quote({
    request: { model: offer.model, prompt: 'an example', aspect_ratio: '1:1', megapixels },
    references,
    candidates: [{ offer, unavailable: null, latency: null, options: {} }],
    rule: {},
    pinned: null,
    roll: 0,
  })
  const [row] = offers
  if (!row?.eligible || row.cost === null) return null
  return { amount: row.cost.amount, lines: [...row.cost.lines] }
}
