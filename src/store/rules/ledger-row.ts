import { nanoFromUsd, subtractUsd, usdFromNano } from '#contract'
import type { Usd } from '#contract'
import { BudgetExceeded } from '../../core/ports.ts'
import type { BudgetCheck } from '../../core/ports.ts'
import type { LedgerEntry } from '../../core/records.ts'

/** The columns of a line, in the order of the table: from `at` to `task`. */
export const LEDGER_COLUMNS = 'at, kind, generation_id, attempt_id, key, provider, model, amount, period, quoted, images, task'

/** What stands in `LEDGER_COLUMNS` for a line. */
export function ledgerRowOf(entry: LedgerEntry) {
  const { at, generationId, attemptId, key, provider, model, period, task } = entry
  const amount = columnOf(entry.amount)
  // An amount no column holds is as good as none.
  const kind = entry.amount !== null && amount === null && task !== null ? 'unknown' : entry.kind
  const quoted = columnOf(task?.quoted ?? null)
  return [
    at,
    kind,
    generationId,
    attemptId,
    key,
    provider,
    model,
    amount,
    period,
    quoted,
    task?.images ?? null,
    task && JSON.stringify(restOf(task)),
  ] as const
}

/** By how much a line that is new moves what counts against a budget; null where it does not. */
export function movedBy({
  kind,
  amount,
  key,
  period,
  task,
}: LedgerEntry): { readonly by: bigint; readonly key: string; readonly period: string } | null {
  const moved = columnOf(amount)
  if (key === null || period === null || moved === null) return null
  switch (kind) {
    case 'reserved':
      return { by: moved, key, period }
    case 'released':
      return { by: -moved, key, period }
    case 'adjusted':
      return { by: moved - heldBy(task), key, period }
    case 'quoted':
    case 'billed':
    case 'computed':
    case 'unknown':
      return null
  }
}

/** By how much a line that is new moves the budgets of its key in which it is not reserved, where they have rows; null where it does not. */
export function alsoMovedBy(entry: LedgerEntry): { readonly by: bigint; readonly key: string; readonly periods: readonly string[] } | null {
  const { kind, amount, key, task, alsoIn = [] } = entry
  if (key === null || alsoIn.length === 0) return null
  const moved = columnOf(amount) ?? 0n
  // As `spentSql` has it.
  const by = kind === 'unknown' ? heldBy(task) : kind === 'adjusted' ? moved - heldBy(task) : moved
  return by === 0n ? null : { by, key, periods: alsoIn }
}

/** What a task counts at while its cost is not known: what was held for it. */
const heldBy = (task: LedgerEntry['task']): bigint => columnOf(task?.held ?? task?.quoted ?? null) ?? 0n

/** @param used what counts against the budget already @throws BudgetExceeded where what the lines reserve does not fit */
export function assertLeft(budget: BudgetCheck, used: bigint, entries: readonly LedgerEntry[]): void {
  const wanted = entries.reduce((sum, { kind, amount }) => (kind === 'reserved' && amount !== null ? sum + nanoFromUsd(amount) : sum), 0n)
  if (used + wanted <= nanoFromUsd(budget.limit)) return
  throw new BudgetExceeded({ left: subtractUsd(budget.limit, usdFromNano(used)), limit: budget.limit, renewsAt: budget.renewsAt })
}

/**
 * SQL: what a line counts against the budget of a period that has no row yet. What is unknown counts at what was held for it.
 * @param held SQL: `heldNano` of the task as an integer
 */
export const spentSql = (held: string): string => `CASE kind
  WHEN 'unknown' THEN coalesce(${held}, quoted, 0)
  WHEN 'adjusted' THEN amount - coalesce(${held}, quoted, 0)
  ELSE amount END`

/** What is known of a task beside its own columns; what was held for it beyond its quote also as SQL can add it. */
const restOf = (task: NonNullable<LedgerEntry['task']>): object => ({
  ...task,
  quoted: undefined,
  images: undefined,
  ...(task.held !== undefined && { heldNano: String(heldBy(task)) }),
})

/** Nanodollars, or null where there are none or more than the 64 bits of a column, which no honest bill has. */
function columnOf(amount: Usd | null): bigint | null {
  if (amount === null) return null
  const value = nanoFromUsd(amount)
  return BigInt.asIntN(64, value) === value ? value : null
}
