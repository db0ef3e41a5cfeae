import type { LedgerEntry } from '../../../core/records.ts'
import { alsoMovedBy, assertLeft, LEDGER_COLUMNS, ledgerRowOf, movedBy } from '../../rules/ledger-row.ts'
import type { BudgetReader } from '../budgets.ts'
import type { ChangeKind } from '../change.ts'
import type { AddedUpDays } from '../cost-days.ts'

/**
 * Appends lines of the account, and moves what counts against a budget by what they reserve and release. Amounts are integers of
 * nanodollars. What reserves comes with the budget it is held against, whose row is begun first. A line that may exist once and does is
 * left as it is: a unit whose fate was unknown is handed in again.
 */
export const ledgerChanges =
  (budgets: BudgetReader, days: Pick<AddedUpDays, 'lineAt'>): ChangeKind =>
  (database) => {
    const insert = database.prepare(`
    INSERT INTO ledger (${LEDGER_COLUMNS})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`)
    const move = database.prepare('UPDATE budgets SET used = used + ? WHERE key = ? AND period = ?')

    const append = (entry: LedgerEntry): void => {
      const { changes } = insert.run(...ledgerRowOf(entry))
      if (changes === 0) return
      days.lineAt(entry.at)
      const moved = movedBy(entry)
      if (moved !== null) move.run(moved.by, moved.key, moved.period)
      const also = alsoMovedBy(entry)
      if (also !== null) for (const period of also.periods) move.run(also.by, also.key, period)
    }

    return ({ ledger = [], budget }) => {
      if (ledger.length === 0) return null
      const entries = [...ledger]
      return {
        check() {
          if (budget) assertLeft(budget, budgets.used(budget.key, budget.period, budget.periodStart), entries)
        },
        apply() {
          if (budget) budgets.open(budget)
          for (const entry of entries) append(entry)
        },
      }
    }
  }
