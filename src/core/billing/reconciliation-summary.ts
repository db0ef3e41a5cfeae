import { createTally, ReconciliationOutcome } from '#contract'
import type { Reconciliation, ReconciliationRow, UsdTally } from '#contract'

/** More rows than this are counted and not shown. */
const MOST_ROWS = 2_000

/** What needs a person first, what agrees last. */
const ORDER: readonly ReconciliationOutcome[] = [
  'differs',
  'confirmed',
  'settled',
  'unknown_task',
  'not_on_invoice',
  'ambiguous',
  'under_way',
  'unreadable',
  'equal',
]

interface Part {
  count: number
  readonly invoiced: UsdTally
  readonly recorded: UsdTally
  readonly difference: UsdTally
}

/** Counts and sums the rows by outcome, and keeps as many as are shown. */
export function createSummary() {
  const parts = new Map(
    ReconciliationOutcome.options.map((outcome): readonly [ReconciliationOutcome, Part] => [
      outcome,
      { count: 0, invoiced: createTally(), recorded: createTally(), difference: createTally() },
    ]),
  )
  const kept = new Map<ReconciliationOutcome, ReconciliationRow[]>(ORDER.map((outcome) => [outcome, []]))
  let count = 0

  return {
    add(row: ReconciliationRow): void {
      count++
      const part = parts.get(row.outcome)
      if (part) part.count++
      if (row.invoiced !== null) part?.invoiced.add(row.invoiced)
      if (row.recorded !== null) part?.recorded.add(row.recorded)
      if (row.difference !== null) part?.difference.add(row.difference)
      const rows = kept.get(row.outcome)
      if (rows && rows.length < MOST_ROWS) rows.push(row)
    },
    result(): Pick<Reconciliation, 'summary' | 'rows' | 'rows_left_out'> {
      const rows = ORDER.flatMap((outcome) => kept.get(outcome) ?? []).slice(0, MOST_ROWS)
      const summary = Object.fromEntries(
        [...parts].map(([outcome, part]) => [
          outcome,
          { count: part.count, invoiced: part.invoiced.total(), recorded: part.recorded.total(), difference: part.difference.total() },
        ]),
      ) as Reconciliation['summary']
      return { summary, rows, rows_left_out: count - rows.length }
    },
  }
}
