import { DatabaseSync } from 'node:sqlite'
import { usdFromNano } from '#contract'
import type { GenerationRecord } from '../../../src/core/records.ts'
import { periodAt } from '../../../src/core/billing/budget.ts'
import { migrate } from '../../../src/store/sqlite/migrations.ts'
import { sqliteStore } from '../../../src/store/sqlite/store.ts'

/** A store in memory whose account can be read line by line. */
export function accountBook() {
  const database = new DatabaseSync(':memory:')
  migrate(database)
  const lines = database.prepare('SELECT kind, provider, attempt_id, amount FROM ledger WHERE generation_id = ? ORDER BY seq')
  lines.setReadBigInts(true)
  const used = database.prepare('SELECT key, period, used FROM budgets')
  used.setReadBigInts(true)
  const sums = database.prepare(`
    SELECT key, period, sum(CASE kind WHEN 'reserved' THEN amount ELSE -amount END) AS used FROM ledger
    WHERE kind IN ('reserved', 'released') GROUP BY key, period`)
  sums.setReadBigInts(true)
  const amount = (value: unknown) => (typeof value === 'bigint' ? usdFromNano(value) : null)
  return {
    store: sqliteStore(database),
    database,
    /** `kind amount@provider` in the order of writing. */
    lines: (id: string) => lines.all(id).map((row) => `${String(row['kind'])} ${amount(row['amount'])}@${String(row['provider'])}`),
    used: () => Object.fromEntries(used.all().map((row) => [`${String(row['key'])} ${String(row['period'])}`, amount(row['used'])])),
    /** The same, added up from the lines. */
    reckoned: () => Object.fromEntries(sums.all().map((row) => [`${String(row['key'])} ${String(row['period'])}`, amount(row['used'])])),
  }
}

/** A planned generation that holds the quote of its first route against a budget in total. */
export const onBudget = (record: GenerationRecord, limit: string, amount = record.routes[0]?.quoted?.amount ?? '0'): GenerationRecord => ({
  ...record,
  key: 'team',
  reserved: { ...periodAt('total', 0), limit, amount },
})

/** The routes at other quotes, in their order. */
export const quotedAt = (record: GenerationRecord, ...amounts: readonly string[]): GenerationRecord => ({
  ...record,
  routes: record.routes.map((route, index) => ({ ...route, quoted: { amount: amounts[index] ?? '0', lines: [] } })),
})
