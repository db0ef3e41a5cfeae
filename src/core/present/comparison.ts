import { compareUsd, isTerminal, multiplyUsd, percentAbove } from '#contract'
import type { Comparison, ComparisonRow, Generation, Usd } from '#contract'
import type { ComparisonEntry, ComparisonRecord, GenerationRecord, Route } from '../records.ts'
import { differingDefaults } from '../plan/fidelity.ts'
import { factorBetween } from '../plan/size.ts'
import { requestView, viewOf } from './generation.ts'
import { iso } from '../instant.ts'
import type { ImageLinks } from './image-link.ts'

/** The row and its generations as a caller sees them; status, end and summary follow from the generations alone. */
export function comparisonView(
  record: ComparisonRecord,
  generations: ReadonlyMap<string, GenerationRecord>,
  links: ImageLinks,
): Comparison {
  const begun = record.entries.flatMap((entry): readonly Begun[] => {
    const generation = entry.kind === 'begun' ? generations.get(entry.generationId) : undefined
    if (!generation) return []
    const route = generation.routes[0] ?? null
    return [{ provider: entry.provider, view: viewOf(generation, links), route, ordered: orderedPixels(route, generation.references) }]
  })
  const views = begun.map(({ view }) => view)
  const summary = summaryOf(record.entries, begun)
  const status = statusOf(summary)
  const createdAt = iso(record.createdAt)
  const ends = views.map((generation) => generation.completed_at ?? createdAt)
  return {
    id: record.id,
    object: 'comparison',
    status,
    sandbox: record.sandbox,
    created_at: createdAt,
    completed_at: status === 'running' ? null : (ends.toSorted().at(-1) ?? createdAt),
    request: requestView(record),
    generations: views,
    summary,
  }
}

/** A generation of the comparison: it is tried at one provider only, so its first route is all there is. */
interface Begun {
  readonly provider: string
  readonly view: Generation
  readonly route: Route | null
  /** Of each image as it was ordered; null where nobody knows. */
  readonly ordered: number | null
}

function orderedPixels(route: Route | null, [first]: GenerationRecord['references']): number | null {
  const { width, height } = route?.applied ?? {}
  if (width !== undefined && height !== undefined) return width * height
  return first?.pixels ? first.pixels.width * first.pixels.height : null
}

/** Whether nothing more happens to a row. */
export const hasEnded = ({ status }: Pick<ComparisonRow, 'status'>): boolean => status === 'ineligible' || isTerminal(status)

function statusOf(summary: readonly ComparisonRow[]): Comparison['status'] {
  if (!summary.every(hasEnded)) return 'running'
  return summary.some(({ status }) => status === 'succeeded') ? 'succeeded' : 'failed'
}

/** One row for each entry, in their order. */
function summaryOf(entries: readonly ComparisonEntry[], generations: readonly Begun[]): ComparisonRow[] {
  const cheapest = cheapestOf(generations)
  const differences = differingDefaults(generations.map(({ provider, route }) => ({ provider, defaults: route?.defaults ?? {} })))
  return entries.map((entry) => {
    switch (entry.kind) {
      case 'planned':
        return emptyRow(entry.provider, 'queued')
      case 'ineligible':
        return { ...emptyRow(entry.provider, 'ineligible'), error_code: 'no_eligible_offer', reasons: [...entry.reasons] }
      case 'refused':
        return { ...emptyRow(entry.provider, 'failed'), error_code: entry.code, reasons: [...entry.reasons] }
      case 'begun': {
        const generation = generations.find(({ view }) => view.id === entry.generationId)
        if (!generation) return { ...emptyRow(entry.provider, 'queued'), generation_id: entry.generationId }
        return { ...rowOf(generation, cheapest), assumptions: [...differences(entry.provider)] }
      }
    }
  })
}

const emptyRow = (provider: string, status: ComparisonRow['status']): ComparisonRow => ({
  provider,
  status,
  fidelity: null,
  quoted: null,
  amount: null,
  vs_cheapest: null,
  total_ms: null,
  images: 0,
  bytes: null,
  width: null,
  height: null,
  assumptions: [],
  error_code: null,
  reasons: [],
  generation_id: null,
})

function rowOf(generation: Begun, cheapest: Delivered | null): ComparisonRow {
  const { images, cost, error, status, timing, id } = generation.view
  const [first] = images
  const delivered = deliveredBy(generation)
  return {
    ...emptyRow(generation.provider, status),
    fidelity: generation.route?.fidelity ?? null,
    quoted: cost.quoted,
    amount: cost.amount,
    vs_cheapest: delivered === null || cheapest === null ? null : aboveCheapest(delivered, cheapest),
    total_ms: timing.total_ms,
    images: images.length,
    bytes:
      first === undefined || images.some(({ bytes }) => bytes === null) ? null : images.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
    width: first?.width ?? null,
    height: first?.height ?? null,
    error_code: error?.code ?? null,
    reasons: error === null ? [] : [error.message],
    generation_id: id,
  }
}

interface Delivered {
  readonly amount: Usd
  readonly images: number
  /** Of its first image; null where it cannot be seen. */
  readonly pixels: number | null
}

/**
 * What a provider delivered for how much; null where it delivered nothing, the cost is unknown (a failure that cost nothing is not cheap), or
 * its image is far from the one requested, or from the one ordered.
 */
function deliveredBy({ view: { status, cost, images }, route, ordered }: Begun): Delivered | null {
  const [first] = images
  if (status !== 'succeeded' || cost.amount === null || !first || route?.fidelity === 'far') return null
  const pixels = first.width === null || first.height === null ? null : first.width * first.height
  if (pixels !== null && ordered !== null && factorBetween(pixels, ordered) > AS_ORDERED) return null
  return { amount: cost.amount, images: images.length, pixels }
}

/** A grid coarser than 3 % of a small side is still the image that was ordered. */
const AS_ORDERED = 1.1

/** Two images that are both within 3 % of what was requested. */
const COMPARABLE_AREA = 1.03 / 0.97

const isComparable = (one: Delivered, other: Delivered): boolean =>
  one.pixels === null || other.pixels === null || factorBetween(one.pixels, other.pixels) <= COMPARABLE_AREA

/** Amounts for the same number of images, so that one image of three is not cheaper than three. */
const sideBySide = (one: Delivered, other: Delivered): readonly [Usd, Usd] => [
  multiplyUsd(one.amount, other.images),
  multiplyUsd(other.amount, one.images),
]

function cheapestOf(generations: readonly Begun[]): Delivered | null {
  const delivered = generations.flatMap((generation) => deliveredBy(generation) ?? [])
  return delivered.toSorted((one, other) => compareUsd(...sideBySide(one, other)))[0] ?? null
}

const aboveCheapest = (one: Delivered, cheapest: Delivered): string | null =>
  isComparable(one, cheapest) ? percentAbove(...sideBySide(one, cheapest)) : null
