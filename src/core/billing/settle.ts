import { compareUsd, multiplyUsd, sumKnownUsd, sumUsd } from '#contract'
import type { Cost, CostBasis, CostLine, Usd, VendorCost } from '#contract'
import type { AttemptRecord, GenerationRecord, ImageRecord, Route } from '../records.ts'
import { dependsOnReferences, dependsOnSize, mergeLines, meteredPrice, priceOf, withSurcharge } from '../plan/price.ts'
import { heldShare, referencePixels } from './ledger.ts'

export type Settlement = NonNullable<AttemptRecord['settled']>

export const UNKNOWN: Settlement = { amount: null, basis: 'unknown', lines: [] }
const NOTHING: Settlement = { amount: '0', basis: 'computed', lines: [] }

/**
 * What an ended attempt cost, whatever its end. What the vendor reported wins, except where the failure provably cost nothing: an amount as it
 * is, a quantity at our price. Where it reported nothing, our price rule on what was delivered; where neither can say, unknown. A bill that is
 * not believed is unknown, with the amount in `reported`: whoever settles writes it to the log and counts it. What the provider takes outside
 * the call is added to each.
 */
export function settle(record: GenerationRecord, attempt: AttemptRecord, route: Route, images: readonly ImageRecord[]): Settlement {
  const settled = settleCall(record, attempt, route, images)
  if (settled.amount === null) return settled
  return { ...settled, ...withSurcharge({ amount: settled.amount, lines: settled.lines }, route.surcharge) }
}

function settleCall(record: GenerationRecord, attempt: AttemptRecord, route: Route, images: readonly ImageRecord[]): Settlement {
  const billed = attempt.error?.billed
  const said = attempt.cost === null ? null : reportedBy(attempt.cost, route)
  if (billed === false && images.length === 0) return said && isNothing(said.amount) ? billedAt(said.amount, null) : NOTHING
  const computed = priceDelivered(record, route, images)
  if (said !== null) {
    if (!isBelievable(said.amount, attempt, route)) return { ...UNKNOWN, reported: said.amount }
    return said.lines === null ? billedAt(said.amount, computed) : { amount: said.amount, basis: 'metered', lines: said.lines }
  }
  // It counted something that our price has no amount for.
  if (attempt.cost !== null && !('amount' in attempt.cost) && route.price?.kind === 'token') return UNKNOWN
  // Beside images that were delivered, a part that was refused for nothing leaves the rest at its price; any other failure may have cost more.
  if ((attempt.error && billed !== false) || !computed) return UNKNOWN
  return { ...computed, basis: 'computed' }
}

/** The amount that the vendor said, or that its count comes to; `lines` are those of the count. Null where it says neither. */
function reportedBy(cost: VendorCost, { price }: Route): { readonly amount: Usd; readonly lines: readonly CostLine[] | null } | null {
  if ('amount' in cost) return { amount: cost.amount, lines: null }
  return price && meteredPrice(price, cost)
}

const isNothing = (amount: Usd): boolean => compareUsd(amount, '0') === 0

function billedAt(amount: Usd, computed: ReturnType<typeof priceDelivered>): Settlement {
  const lines =
    computed?.amount === amount ? computed.lines : [{ what: 'as billed by the provider', quantity: 1, unit_amount: amount, amount }]
  return { amount, basis: 'billed', lines: isNothing(amount) ? [] : lines }
}

/** A bill of more than so many times its quote is not believed. */
const MOST_TIMES_QUOTED = 10
/** Where there is no quote: US dollars for each image. */
const MOST_FOR_AN_IMAGE: Usd = '10'

function isBelievable(reported: Usd, attempt: AttemptRecord, route: Route): boolean {
  if (compareUsd(reported, '0') < 0) return false
  // With the tokens of a long prompt, which its quote leaves out.
  const quoted = heldShare(route, attempt)
  if (quoted === null) return compareUsd(reported, multiplyUsd(MOST_FOR_AN_IMAGE, attempt.images)) <= 0
  // A quote has the surcharge in it.
  const whole = withSurcharge({ amount: reported, lines: [] }, route.surcharge).amount
  return compareUsd(whole, multiplyUsd(quoted, MOST_TIMES_QUOTED)) <= 0
}

/** Null where a size the price depends on cannot be seen, or the price has no amount for what was delivered. */
function priceDelivered(record: GenerationRecord, route: Route, images: readonly ImageRecord[]): { amount: Usd; lines: CostLine[] } | null {
  const references = referencePixels(record, route)
  const seen = references.filter((pixels) => pixels !== null)
  // Tokens are what the vendor counts, and a table of them is a quote.
  if (!route.price || route.price.kind === 'token') return null
  if (dependsOnReferences(route.price) && seen.length < references.length) return null
  const lines: CostLine[] = []
  for (const image of images) {
    const width = image.width ?? route.applied.width
    const height = image.height ?? route.applied.height
    if (dependsOnSize(route.price) && (width === undefined || height === undefined)) return null
    const what = { width: width ?? 0, height: height ?? 0, images: 1, tier: route.applied.tier }
    // Where the size of a reference does not matter, their number does.
    const price = priceOf(route.price, { ...what, references: references.map((pixels) => pixels ?? { width: 1, height: 1 }) })
    if (price === null) return null
    lines.push(...price.lines)
  }
  const merged = mergeLines(lines)
  return { amount: sumUsd(merged.map((line) => line.amount)), lines: merged }
}

/** The cost of the whole generation: every attempt counts, and one unknown makes the whole unknown. */
export function costOf(record: GenerationRecord): Cost {
  const settled = record.attempts.map((attempt) => attempt.settled)
  const quoted = record.routes[record.routeIndex]?.quoted?.amount ?? null
  const open = settled.some((settlement) => settlement === null) || settled.length === 0
  if (open) return { currency: 'USD', quoted, amount: null, basis: 'unknown', lines: [] }
  // Its lines are summed up, and its basis is that of the whole.
  if (settled.length === 1 && settled[0]) {
    const { amount, basis, lines } = settled[0]
    return { currency: 'USD', quoted, amount, basis, lines: [...lines] }
  }
  const amount = sumKnownUsd(settled.map((settlement) => settlement?.amount ?? null))
  return {
    currency: 'USD',
    quoted,
    amount,
    basis: basisOf(settled),
    lines: mergeLines(settled.flatMap((settlement) => settlement?.lines ?? [])),
  }
}

/** How the whole was found. An attempt that failed at no cost does not count here; one that was billed 0 does. */
function basisOf(settled: readonly (Settlement | null)[]): CostBasis {
  const relevant = settled.filter((settlement) => settlement?.basis !== 'computed' || settlement.amount !== '0')
  const bases = new Set(relevant.map((settlement) => settlement?.basis ?? 'unknown'))
  if (bases.has('unknown')) return 'unknown'
  if (bases.has('computed') || bases.size === 0) return 'computed'
  return bases.has('metered') ? 'metered' : 'billed'
}
