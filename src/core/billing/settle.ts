import { compareUsd, multiplyUsd, sumKnownUsd, sumUsd } from '#contract'
import type { Cost, CostBasis, CostLine, Usd } from '#contract'
import type { AttemptRecord, GenerationRecord, ImageRecord, Route } from '../records.ts'
import { dependsOnReferences, priceOf } from '../plan/price.ts'
import { quotedShare, referencePixels } from './ledger.ts'

export type Settlement = NonNullable<AttemptRecord['settled']>

const UNKNOWN: Settlement = { amount: null, basis: 'unknown', lines: [] }
const NOTHING: Settlement = { amount: '0', basis: 'computed', lines: [] }

/**
 * What an ended attempt cost, whatever its end. The amount the vendor reported wins, except where the failure provably cost nothing; where it
 * reported none, our price rule on what was delivered; where neither can say, unknown. A bill that is not believed is unknown, with the
 * vendor's amount in `reported`: whoever settles writes it to the log and counts it.
 */
export function settle(record: GenerationRecord, attempt: AttemptRecord, route: Route, images: readonly ImageRecord[]): Settlement {
  const billed = attempt.error?.billed
  const reported = attempt.cost?.amount ?? null
  if (billed === false && images.length === 0) return reported !== null && isNothing(reported) ? billedAt(reported, null) : NOTHING
  const computed = priceDelivered(record, route, images)
  if (reported !== null) return isBelievable(reported, attempt, route) ? billedAt(reported, computed) : { ...UNKNOWN, reported }
  // Beside images that were delivered, a part that was refused for nothing leaves the rest at its price; any other failure may have cost more.
  if ((attempt.error && billed !== false) || !computed) return UNKNOWN
  return { ...computed, basis: 'computed' }
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
  const quoted = quotedShare(route, attempt.images)
  const most = quoted === null ? multiplyUsd(MOST_FOR_AN_IMAGE, attempt.images) : multiplyUsd(quoted, MOST_TIMES_QUOTED)
  return compareUsd(reported, '0') >= 0 && compareUsd(reported, most) <= 0
}

/** Null where a size the price depends on cannot be seen. */
function priceDelivered(record: GenerationRecord, route: Route, images: readonly ImageRecord[]): { amount: Usd; lines: CostLine[] } | null {
  const references = referencePixels(record, route)
  const seen = references.filter((pixels) => pixels !== null)
  if (!route.price || (dependsOnReferences(route.price) && seen.length < references.length)) return null
  const lines: CostLine[] = []
  for (const image of images) {
    const width = image.width ?? route.applied.width
    const height = image.height ?? route.applied.height
    if (route.price.kind !== 'per_image' && (width === undefined || height === undefined)) return null
    lines.push(...priceOf(route.price, { width: width ?? 0, height: height ?? 0, images: 1, references: seen }).lines)
  }
  const merged = mergeLines(lines)
  return { amount: sumUsd(merged.map((line) => line.amount)), lines: merged }
}

/** Lines of the same thing at the same unit amount become one. */
function mergeLines(lines: readonly CostLine[]): CostLine[] {
  const merged = new Map<string, CostLine>()
  for (const line of lines) {
    const key = `${line.what} ${line.unit_amount}`
    const before = merged.get(key)
    merged.set(key, before ? { ...line, quantity: before.quantity + line.quantity, amount: sumUsd([before.amount, line.amount]) } : line)
  }
  return [...merged.values()]
}

/** The cost of the whole generation: every attempt counts, and one unknown makes the whole unknown. */
export function costOf(record: GenerationRecord): Cost {
  const settled = record.attempts.map((attempt) => attempt.settled)
  const quoted = record.routes[record.routeIndex]?.quoted?.amount ?? null
  const open = settled.some((settlement) => settlement === null) || settled.length === 0
  if (open) return { currency: 'USD', quoted, amount: null, basis: 'unknown', lines: [] }
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
  return bases.has('computed') || bases.size === 0 ? 'computed' : 'billed'
}
