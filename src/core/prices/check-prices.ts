import type { Json, Offer, PublishedPriceList, Usd } from '#contract'
import { comparePrice, type PriceFinding, type PriceVerdict } from './compare-price.ts'
import { readPriceList } from './read-price-list.ts'

/** One offer beside what its vendor publishes for programs. */
export interface CheckedPrice {
  readonly provider: string
  readonly model: string
  /** The vendor's id that was asked for. */
  readonly provider_model: string
  /** The worst of its findings; `vanished`: the vendor lists the model no more. `not_read`: no list could be read, and `detail` says why. */
  readonly verdict: PriceVerdict | 'vanished' | 'not_read'
  readonly detail: string
  readonly as_of: string | null
  readonly findings: readonly PriceFinding[]
}

export interface ListedOffer {
  readonly offer: Offer
  readonly list: PublishedPriceList
  /** The vendor's id of the model in its price list. */
  readonly listedAs: string
}

/** The document a list came as; `gone`: the vendor knows no such model. */
export type ListReply =
  | { readonly kind: 'body'; readonly body: Json }
  | { readonly kind: 'gone' }
  | { readonly kind: 'failed'; readonly reason: string }

/** Asks for the price list of each offer, one after another, and compares. Spends nothing. */
export async function checkPrices(
  offers: readonly ListedOffer[],
  read: (provider: string, list: PublishedPriceList, listedAs: string) => Promise<ListReply>,
): Promise<readonly CheckedPrice[]> {
  const checked: CheckedPrice[] = []
  for (const { offer, list, listedAs } of offers) {
    const { provider, model, price } = offer
    const about = { provider, model, provider_model: listedAs, as_of: price?.as_of ?? null }
    const reply = await read(provider, list, listedAs)
    if (reply.kind === 'failed') checked.push({ ...about, verdict: 'not_read', detail: reply.reason, findings: [] })
    else {
      const lines = reply.kind === 'gone' ? [] : readPriceList(list, reply.body)
      const findings = comparePrice(price, lines)
      checked.push({ ...about, ...judged(findings, lines.length === 0), findings })
    }
  }
  return checked
}

const WORST_FIRST = ['drift', 'new_unit', 'unpriced_here', 'not_comparable', 'agrees'] as const satisfies readonly PriceVerdict[]

function judged(findings: readonly PriceFinding[], isEmpty: boolean): Pick<CheckedPrice, 'verdict' | 'detail'> {
  if (isEmpty) return { verdict: 'vanished', detail: 'the vendor lists no price for this model any more' }
  const verdict = WORST_FIRST.find((each) => findings.some((finding) => finding.verdict === each)) ?? 'not_comparable'
  return { verdict, detail: findings.map(sentenceOf).join('; ') || 'the list has nothing that we sell' }
}

const dollars = (amount: Usd | null): string => amount ?? 'no amount in US dollars'

function sentenceOf({ verdict, line, published, ours }: PriceFinding): string {
  switch (verdict) {
    case 'agrees':
      return `${line}: ${dollars(published)}, as here`
    case 'drift':
      return `${line}: ${dollars(published)} there, ${ours.join(' or ')} here`
    case 'new_unit':
      return `${line}: a new unit, ${dollars(published)}`
    case 'unpriced_here':
      return `${line}: ${dollars(published)} there, no price here`
    case 'not_comparable':
      return `${line}: ${dollars(published)} there, nothing of the kind here`
  }
}

/** Whether somebody has to correct a price, or read it again. */
export const isTrouble = ({ verdict }: CheckedPrice): boolean => verdict !== 'agrees' && verdict !== 'not_comparable'
