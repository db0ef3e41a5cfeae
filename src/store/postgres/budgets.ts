import type { BudgetCheck } from '../../core/ports.ts'
import type { LedgerEntry } from '../../core/records.ts'
import { SETTLED } from '../rules/cost-row.ts'
import { alsoMovedBy, spentSql } from '../rules/ledger-row.ts'
import type { Row } from '../rules/rows.ts'
import { shareNamed, SPENDING_OF } from './locks.ts'
import { prepare } from './statement.ts'
import type { Statement } from './statement.ts'

/** What a key has spent on generations that were accepted since the period began: what a period without a row begins with. */
const SPENDING = `
  SELECT coalesce(sum(${spentSql("(task::json ->> 'heldNano')::bigint")}), 0)::bigint FROM ledger AS l
  WHERE ${SETTLED} AND l.key = $1 AND l.at >= $3
    AND NOT EXISTS (SELECT 1 FROM generations AS g WHERE g.id = l.generation_id AND g.created_at < $3)`

const used = prepare(`SELECT coalesce((SELECT used FROM budgets WHERE key = $1 AND period = $2), (${SPENDING})) AS used`)
/**
 * Whoever begins a row waits for the lines that are being written: each counts either in the sum, once it is there, or in the row. A statement of
 * its own, since the sum sees what was there when its statement began.
 */
const awaitLines = prepare(`
  SELECT pg_advisory_xact_lock(${SPENDING_OF}, hashtext($1)) WHERE NOT EXISTS (SELECT 1 FROM budgets WHERE key = $1 AND period = $2)`)
const begin = prepare(`
  INSERT INTO budgets (key, period, used) SELECT $1, $2, (${SPENDING}) WHERE NOT EXISTS (SELECT 1 FROM budgets WHERE key = $1 AND period = $2)
  ON CONFLICT DO NOTHING`)
/** Reads the row of a period for this transaction alone. */
const holdRow = prepare('SELECT used FROM budgets WHERE key = $1 AND period = $2 FOR UPDATE')
/** Reads the rows of periods, where they are there, in one order. */
const holdThese = prepare(`SELECT used FROM budgets WHERE key = $1 AND period = ANY(string_to_array($2, ',')) ORDER BY period FOR UPDATE`)

/** As one value of a statement. */
export const periodList = (periods: Iterable<string>): string => [...periods].join(',')
export const holdRows = (key: string, periods: Iterable<string>): Statement => holdThese(key, periodList(periods))

/** The keys in whose spending these lines count, whatever their period. */
export const spendersOf = (ledger: readonly LedgerEntry[]): readonly string[] =>
  [...new Set(ledger.flatMap((entry) => alsoMovedBy(entry)?.key ?? []))].toSorted()

/** Before such lines are written: no row begins between them and what they move. */
export const beforeLines = (ledger: readonly LedgerEntry[]): readonly Statement[] =>
  spendersOf(ledger).map((key) => shareNamed(SPENDING_OF, key))

/** Reads what counts against a budget, in nanodollars. */
export const budgetUsed = (key: string, period: string, periodStart: number): Statement => used(key, period, periodStart)

/** Begins the row of a period where there is none, then reads it for this transaction alone: others that reserve wait for it. */
export const holdBudget = ({ key, period, periodStart }: BudgetCheck): readonly Statement[] => [
  awaitLines(key, period),
  begin(key, period, periodStart),
  holdRow(key, period),
]

export const usedOf = (rows: readonly Row[]): bigint => (rows[0]?.['used'] ?? 0n) as bigint
