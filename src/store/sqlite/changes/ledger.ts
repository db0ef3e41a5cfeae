import type { Usd } from '#contract'
import type { LedgerEntry } from '../../../core/records.ts'
import { nanoFromUsd, subtractUsd, usdFromNano } from '#contract'
import { BudgetExceeded } from '../../../core/ports.ts'
import type { BudgetCheck } from '../../../core/ports.ts'
import type { BudgetReader } from '../budgets.ts'
import type { ChangeKind } from '../change.ts'
import type { ProviderHourWriter } from '../provider-hours.ts'

/**
 * Appends lines of the account, and moves what counts against a budget by what they reserve and release. Amounts are integers of
 * nanodollars. What reserves comes with the budget it is held against, whose row is begun first. A line that may exist once and does is
 * left as it is: a unit whose fate was unknown is handed in again.
 */
export const ledgerChanges =
  (budgets: BudgetReader, hours: Pick<ProviderHourWriter, 'count'>): ChangeKind =>
  (database) => {
    const insert = database.prepare(`
    INSERT INTO ledger (at, kind, generation_id, attempt_id, key, provider, model, amount, period, quoted, images, task)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
    const hold = database.prepare('UPDATE budgets SET used = used + ? WHERE key = ? AND period = ?')
    const replaceQuote = database.prepare('UPDATE budgets SET used = used + ? - coalesce(?, 0) WHERE key = ? AND period = ?')
    const giveBack = database.prepare('UPDATE budgets SET used = used - ? WHERE key = ? AND period = ?')

    const append = (entry: LedgerEntry): void => {
      const { at, generationId, attemptId, key, provider, model, period, task } = entry
      const amount = columnOf(entry.amount)
      // An amount no column holds is as good as none.
      const kind = entry.amount !== null && amount === null && task !== null ? 'unknown' : entry.kind
      const { changes } = insert.run(
        at,
        kind,
        generationId,
        attemptId,
        key,
        provider,
        model,
        amount,
        period,
        columnOf(task?.quoted ?? null),
        task?.images ?? null,
        task && JSON.stringify(restOf(task)),
      )
      if (changes === 1 && kind !== 'adjusted') hours.count(entry)
      if (changes === 0 || key === null || period === null || amount === null) return
      if (kind === 'reserved') hold.run(amount, key, period)
      if (kind === 'released') giveBack.run(amount, key, period)
      // Until now it counted at its quote.
      if (kind === 'adjusted') replaceQuote.run(amount, columnOf(task?.quoted ?? null), key, period)
    }

    return ({ ledger = [], budget }) => {
      if (ledger.length === 0) return null
      const entries = [...ledger]
      return {
        check() {
          if (budget) assertLeft(budget, entries)
        },
        apply() {
          if (budget) budgets.open(budget)
          for (const entry of entries) append(entry)
        },
      }
    }

    function assertLeft(budget: BudgetCheck, entries: readonly LedgerEntry[]): void {
      const limit = nanoFromUsd(budget.limit)
      const used = budgets.used(budget.key, budget.period, budget.periodStart)
      const wanted = entries.reduce(
        (sum, { kind, amount }) => (kind === 'reserved' && amount !== null ? sum + nanoFromUsd(amount) : sum),
        0n,
      )
      if (used + wanted <= limit) return
      throw new BudgetExceeded({ left: subtractUsd(budget.limit, usdFromNano(used)), limit: budget.limit, renewsAt: budget.renewsAt })
    }
  }

/** What is known of a task beside its own columns. */
const restOf = (task: NonNullable<LedgerEntry['task']>): object => ({ ...task, quoted: undefined, images: undefined })

/** Nanodollars, or null where there are none or more than the 64 bits of a column, which no honest bill has. */
function columnOf(amount: Usd | null): bigint | null {
  if (amount === null) return null
  const value = nanoFromUsd(amount)
  return BigInt.asIntN(64, value) === value ? value : null
}
