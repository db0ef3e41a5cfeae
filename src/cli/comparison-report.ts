import type { Comparison, ComparisonRow } from '#contract'
import { fileSize, seconds, table } from './table.ts'

export const COMPARISON_HEAD = ['provider', 'status', 'time', 'quoted', 'cost', 'vs cheapest', 'size', 'bytes'] as const

/** A row as cells under `COMPARISON_HEAD`; what is not known yet, or never, is a dash. */
export function comparisonCells(row: ComparisonRow, elapsedMs: number | null = null): readonly string[] {
  const many = row.images > 1 ? `${row.images} × ` : ''
  return [
    row.provider,
    row.error_code === null || row.status === 'ineligible' ? row.status : `${row.status}: ${row.error_code}`,
    seconds(row.total_ms ?? elapsedMs),
    row.quoted === null ? '–' : `$${row.quoted}`,
    costOf(row),
    row.vs_cheapest === null ? '–' : row.vs_cheapest === '+0%' ? 'cheapest' : row.vs_cheapest,
    row.width === null ? '–' : `${many}${row.width}×${row.height ?? '–'}`,
    row.bytes === null ? '–' : fileSize(row.bytes),
  ]
}

function costOf({ amount, status, generation_id: id }: ComparisonRow): string {
  if (amount !== null) return `$${amount}`
  return id !== null && (status === 'succeeded' || status === 'failed' || status === 'canceled') ? 'unknown' : '–'
}

/** The whole comparison: the table, and the reason of each row that delivered nothing. */
export function comparisonReport({ id, status, summary }: Comparison): string {
  const reasons = summary.flatMap(({ provider, reasons: own }) => own.map((reason) => `  ${provider}: ${reason}`))
  const rows = summary.map((row) => comparisonCells(row))
  return [`${id} ${status}`, '', table(COMPARISON_HEAD, rows), ...(reasons.length > 0 ? ['', ...reasons] : [])].join('\n')
}
