import { shareOfUsd, sumUsd } from '#contract'
import type { Quote, QuotedOffer } from '#contract'
import type { ObservedBill, Store } from '../ports.ts'
import { iso } from '../instant.ts'

/** How many bills of an offer are read; prices change, so old ones say little. */
const MOST_BILLS = 500

/**
 * Puts beside each unpriced offer what it has billed before for images of the same size with as many references. Never a price.
 * @param seen whose bills are shown: a gateway key that sees its own costs alone sees no more here
 */
export async function withObserved(
  store: Pick<Store, 'observedBills'>,
  quote: Quote,
  references: number,
  seen: (key: string | null) => boolean,
): Promise<Quote> {
  if (quote.offers.every((offer) => offer.cost !== null)) return quote
  const offers = await Promise.all(
    quote.offers.map(async (offer) => {
      if (offer.cost !== null || offer.applied === null) return offer
      const bills = await store.observedBills(offer.provider, offer.model, MOST_BILLS)
      const own = bills.filter(({ key }) => seen(key))
      return { ...offer, observed: observedOf(own, offer.applied, references) }
    }),
  )
  return { ...quote, offers }
}

/** For the size that is asked; null where none is, or nothing was billed for it. */
export function observedOf(
  bills: readonly ObservedBill[],
  { width, height, n }: NonNullable<QuotedOffer['applied']>,
  references: number,
): NonNullable<QuotedOffer['observed']> | null {
  const same = bills.filter(({ made }) => made?.width === width && made?.height === height && made?.references.length === references)
  const images = same.reduce((sum, bill) => sum + bill.images, 0)
  if (width === undefined || images === 0) return null
  return {
    amount: shareOfUsd(sumUsd(same.map(({ amount }) => amount)), n, images),
    samples: same.length,
    as_of: iso(Math.max(...same.map(({ at }) => at))),
  }
}
