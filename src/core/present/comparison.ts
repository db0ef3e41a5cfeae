import { compareUsd, isTerminal, multiplyUsd, percentAbove } from '#contract'
import type { Comparison, ComparisonRow, Generation, Usd } from '#contract'
import type { ComparisonEntry, ComparisonRecord, GenerationRecord } from '../records.ts'
import { requestView, viewOf } from './generation.ts'

/** The row and its generations as a caller sees them; status, end and summary follow from the generations alone. */
export function comparisonView(
  record: ComparisonRecord,
  generations: ReadonlyMap<string, GenerationRecord>,
  publicUrl: string,
): Comparison {
  const views = record.entries.flatMap((entry) => {
    const generation = entry.kind === 'begun' ? generations.get(entry.generationId) : undefined
    return generation === undefined ? [] : [viewOf(generation, publicUrl)]
  })
  const summary = summaryOf(record.entries, views)
  const status = statusOf(summary)
  const createdAt = new Date(record.createdAt).toISOString()
  const ends = views.map((generation) => generation.completed_at ?? createdAt)
  return {
    id: record.id,
    object: 'comparison',
    status,
    sandbox: record.sandbox,
    created_at: createdAt,
    completed_at: status === 'running' ? null : (ends.toSorted().at(-1) ?? createdAt),
    request: requestView(record) as Comparison['request'],
    generations: views,
    summary,
  }
}

/** Whether nothing more happens to a row. */
export const hasEnded = ({ status }: Pick<ComparisonRow, 'status'>): boolean => status === 'ineligible' || isTerminal(status)

function statusOf(summary: readonly ComparisonRow[]): Comparison['status'] {
  if (!summary.every(hasEnded)) return 'running'
  return summary.some(({ status }) => status === 'succeeded') ? 'succeeded' : 'failed'
}

/** One row for each entry, in their order. */
export function summaryOf(entries: readonly ComparisonEntry[], generations: readonly Generation[]): ComparisonRow[] {
  const cheapest = cheapestOf(generations)
  return entries.map((entry) => {
    switch (entry.kind) {
      case 'planned':
        return emptyRow(entry.provider, 'queued')
      case 'ineligible':
        return { ...emptyRow(entry.provider, 'ineligible'), error_code: 'no_eligible_offer', reasons: [...entry.reasons] }
      case 'refused':
        return { ...emptyRow(entry.provider, 'failed'), error_code: entry.code, reasons: [...entry.reasons] }
      case 'begun': {
        const generation = generations.find(({ id }) => id === entry.generationId)
        return { ...(generation ? rowOf(generation, cheapest) : emptyRow(entry.provider, 'queued')), provider: entry.provider }
      }
    }
  })
}

const emptyRow = (provider: string, status: ComparisonRow['status']): ComparisonRow => ({
  provider,
  status,
  quoted: null,
  amount: null,
  vs_cheapest: null,
  total_ms: null,
  images: 0,
  bytes: null,
  width: null,
  height: null,
  error_code: null,
  reasons: [],
  generation_id: null,
})

function rowOf(generation: Generation, cheapest: Delivered | null): ComparisonRow {
  const { images, cost, error } = generation
  const [first] = images
  const delivered = deliveredBy(generation)
  return {
    ...emptyRow(generation.provider ?? '', generation.status),
    quoted: cost.quoted,
    amount: cost.amount,
    vs_cheapest: delivered === null || cheapest === null ? null : aboveCheapest(delivered, cheapest),
    total_ms: generation.timing.total_ms,
    images: images.length,
    bytes:
      first === undefined || images.some(({ bytes }) => bytes === null) ? null : images.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
    width: first?.width ?? null,
    height: first?.height ?? null,
    error_code: error?.code ?? null,
    reasons: error === null ? [] : [error.message],
    generation_id: generation.id,
  }
}

interface Delivered {
  readonly amount: Usd
  readonly images: number
}

/** What a provider delivered for how much; null where it delivered nothing or the cost is unknown: a failure that cost nothing is not cheap. */
function deliveredBy({ status, cost, images }: Generation): Delivered | null {
  return status === 'succeeded' && cost.amount !== null && images.length > 0 ? { amount: cost.amount, images: images.length } : null
}

/** Amounts for the same number of images, so that one image of three is not cheaper than three. */
const sideBySide = (one: Delivered, other: Delivered): readonly [Usd, Usd] => [
  multiplyUsd(one.amount, other.images),
  multiplyUsd(other.amount, one.images),
]

function cheapestOf(generations: readonly Generation[]): Delivered | null {
  const delivered = generations.flatMap((generation) => deliveredBy(generation) ?? [])
  return delivered.toSorted((one, other) => compareUsd(...sideBySide(one, other)))[0] ?? null
}

const aboveCheapest = (one: Delivered, cheapest: Delivered): string | null => percentAbove(...sideBySide(one, cheapest))
