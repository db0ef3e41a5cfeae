import { sumKnownUsd, sumUsd } from '#contract'
import type { Cost, CostBasis, CostLine, Usd } from '#contract'
import type { AttemptRecord, GenerationRecord, ImageRecord, Route } from '../records.ts'
import { priceOf } from '../plan/price.ts'

type Settlement = NonNullable<AttemptRecord['settled']>

const UNKNOWN: Settlement = { amount: null, basis: 'unknown', lines: [] }

/**
 * What an ended attempt cost. The vendor's word wins; where it tells nothing, our price rule on what was delivered;
 * where neither can say, unknown. A failure that provably sold nothing costs nothing, whatever was announced before.
 */
export function settle(record: GenerationRecord, attempt: AttemptRecord, route: Route, images: readonly ImageRecord[]): Settlement {
  const billed = attempt.error?.billed
  if (billed === false) return { amount: '0', basis: 'computed', lines: [] }
  if (billed === 'unknown') return UNKNOWN
  const computed = priceDelivered(record, route, images)
  if (attempt.cost) {
    const { amount } = attempt.cost
    const lines =
      computed?.amount === amount ? computed.lines : [{ what: 'as billed by the provider', quantity: 1, unit_amount: amount, amount }]
    return { amount, basis: 'billed', lines }
  }
  if (attempt.error || !computed) return UNKNOWN
  return { ...computed, basis: 'computed' }
}

function priceDelivered(record: GenerationRecord, route: Route, images: readonly ImageRecord[]): { amount: Usd; lines: CostLine[] } | null {
  const references = record.references.map((reference) => reference.pixels)
  if (!route.price || references.includes(null)) return null
  const lines: CostLine[] = []
  for (const image of images) {
    const width = image.width ?? route.applied.width
    const height = image.height ?? route.applied.height
    if (width === undefined || height === undefined) return null
    lines.push(...priceOf(route.price, { width, height, images: 1, references: references.filter((pixels) => pixels !== null) }).lines)
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

function basisOf(settled: readonly (Settlement | null)[]): CostBasis {
  const bases = new Set(settled.filter((settlement) => settlement?.amount !== '0').map((settlement) => settlement?.basis ?? 'unknown'))
  if (bases.has('unknown')) return 'unknown'
  return bases.has('computed') || bases.size === 0 ? 'computed' : 'billed'
}
