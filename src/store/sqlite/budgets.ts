import type { DatabaseSync } from 'node:sqlite'
import type { BudgetCheck } from '../../core/ports.ts'

export interface BudgetReader {
  /** Nanodollars that count in a period. */
  used(key: string, period: string, periodStart: number): bigint
  /** Begins the row of a period; one that is there stays. */
  open(budget: BudgetCheck): void
}

/**
 * What counts against budgets: one row for each key and period, kept in step with the ledger's reservations, so that asking costs the same
 * however long the ledger is. A period that has no row yet (a new budget, or a new length of its period) begins with what the key has spent
 * on generations that were accepted since its start: one accepted before counts in the period it was accepted in, whenever its cost becomes
 * known. What is unknown counts at its quote, until a later cost replaces the quote.
 */
export function budgetReader(database: DatabaseSync): BudgetReader {
  const kept = database.prepare('SELECT used FROM budgets WHERE key = ? AND period = ?')
  const spent = database.prepare(`
    SELECT coalesce(sum(
      CASE kind WHEN 'unknown' THEN coalesce(quoted, 0) WHEN 'adjusted' THEN amount - coalesce(quoted, 0) ELSE amount END
    ), 0) AS used FROM ledger
    WHERE kind IN ('billed', 'computed', 'unknown', 'adjusted') AND at >= :start AND key = :key
      AND NOT EXISTS (SELECT 1 FROM generations WHERE generations.id = ledger.generation_id AND generations.created_at < :start)`)
  const begin = database.prepare('INSERT INTO budgets (key, period, used) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
  for (const statement of [kept, spent]) statement.setReadBigInts(true)

  const used: BudgetReader['used'] = (key, period, periodStart) =>
    (kept.get(key, period)?.['used'] ?? spent.get({ start: periodStart, key })?.['used'] ?? 0n) as bigint
  return {
    used,
    open({ key, period, periodStart }) {
      if (kept.get(key, period) === undefined) begin.run(key, period, used(key, period, periodStart))
    },
  }
}
