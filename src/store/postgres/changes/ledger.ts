import type { LedgerEntry } from '../../../core/records.ts'
import { LEDGER_COLUMNS, ledgerRowOf, movedBy } from '../../rules/ledger-row.ts'
import { hourCountOf } from '../../rules/provider-hour.ts'
import { holdRow } from '../budgets.ts'
import type { ChangeKind } from '../change.ts'
import { prepare } from '../statement.ts'
import type { Statement } from '../statement.ts'

const LINE = `
  INSERT INTO ledger (${LEDGER_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`

const append = prepare(LINE)

/** What a line moves is moved in the same statement, and only where the line is new. */
const appendAndMove = prepare(`
  WITH line AS (${LINE} RETURNING 1)
  UPDATE budgets SET used = used + $13 WHERE key = $14 AND period = $15 AND EXISTS (SELECT 1 FROM line)`)

const appendAndCount = prepare(`
  WITH line AS (${LINE} RETURNING 1), counted AS (
    INSERT INTO provider_hours AS h (provider, hour, succeeded, failed) SELECT $6, $13::integer, $14::integer, $15::integer FROM line
    ON CONFLICT (provider, hour) DO UPDATE SET succeeded = h.succeeded + excluded.succeeded, failed = h.failed + excluded.failed
  )
  INSERT INTO provider_hour_durations AS d (provider, hour, step, tasks)
  SELECT $6, $13::integer, $16::integer, 1 FROM line WHERE $16::integer IS NOT NULL
  ON CONFLICT (provider, hour, step) DO UPDATE SET tasks = d.tasks + 1`)

/**
 * Appends lines of the account, and moves what counts against a budget by what they reserve and release. A line that may exist once and does
 * is left as it is: a unit whose fate was unknown is handed in again.
 */
export const ledgerChanges: ChangeKind = ({ ledger = [] }) => [...budgetsFirst(ledger), ...ledger.map(statementOf)]

/** Every unit takes the rows of budgets before those of providers' hours: two that took them the other way round would wait for each other. */
function budgetsFirst(ledger: readonly LedgerEntry[]): readonly Statement[] {
  const firstHour = ledger.findIndex((entry) => hourCountOf(entry) !== null)
  if (firstHour < 0) return []
  const moved = ledger.slice(firstHour).flatMap((entry) => movedBy(entry) ?? [])
  const rows = new Map(moved.map(({ key, period }) => [`${period} ${key}`, [key, period]] as const))
  return [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, [key, period]]) => holdRow(key, period))
}

function statementOf(entry: LedgerEntry): Statement {
  const row = ledgerRowOf(entry)
  const moved = movedBy(entry)
  if (moved !== null) return appendAndMove(...row, moved.by, moved.key, moved.period)
  const counts = hourCountOf(entry)
  if (counts !== null) return appendAndCount(...row, counts.hour, Number(counts.isSuccess), Number(!counts.isSuccess), counts.step)
  return append(...row)
}
