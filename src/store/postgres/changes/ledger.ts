import type { LedgerEntry } from '../../../core/records.ts'
import { alsoMovedBy, LEDGER_COLUMNS, ledgerRowOf, movedBy } from '../../rules/ledger-row.ts'
import { hourCountOf } from '../../rules/provider-hour.ts'
import { holdRows, periodList } from '../budgets.ts'
import type { ChangeKind } from '../change.ts'
import { prepare } from '../statement.ts'
import type { Statement } from '../statement.ts'

const LINE = `
  INSERT INTO ledger (${LEDGER_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`

/** Moves budgets in which the line is not reserved: its values are `alsoValues`, from a number on. */
const also = (first: number): string => `also AS (
    UPDATE budgets SET used = used + $${first} WHERE key = $${first + 1} AND period = ANY(string_to_array($${first + 2}, ','))
      AND EXISTS (SELECT 1 FROM line))`

function alsoValues(entry: LedgerEntry): readonly [bigint, string | null, string] {
  const moved = alsoMovedBy(entry)
  return moved === null ? [0n, null, ''] : [moved.by, moved.key, periodList(moved.periods)]
}

const append = prepare(LINE)
const appendAndMoveOthers = prepare(`WITH line AS (${LINE} RETURNING 1), ${also(13)} SELECT 1 FROM line`)

/** What a line moves is moved in the same statement, and only where the line is new. */
const appendAndMove = prepare(`
  WITH line AS (${LINE} RETURNING 1), ${also(16)}
  UPDATE budgets SET used = used + $13 WHERE key = $14 AND period = $15 AND EXISTS (SELECT 1 FROM line)`)

const appendAndCount = prepare(`
  WITH line AS (${LINE} RETURNING 1), ${also(17)}, counted AS (
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
  const rows = new Map<string, Set<string>>()
  for (const entry of ledger.slice(firstHour)) {
    const moved = movedBy(entry)
    const periods = [...(moved === null ? [] : [moved.period]), ...(alsoMovedBy(entry)?.periods ?? [])]
    if (entry.key !== null && periods.length > 0) rows.set(entry.key, new Set([...(rows.get(entry.key) ?? []), ...periods]))
  }
  return [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, periods]) => holdRows(key, periods))
}

function statementOf(entry: LedgerEntry): Statement {
  const row = ledgerRowOf(entry)
  const moved = movedBy(entry)
  if (moved !== null) return appendAndMove(...row, moved.by, moved.key, moved.period, ...alsoValues(entry))
  const counts = hourCountOf(entry)
  if (counts !== null)
    return appendAndCount(...row, counts.hour, Number(counts.isSuccess), Number(!counts.isSuccess), counts.step, ...alsoValues(entry))
  return alsoMovedBy(entry) === null ? append(...row) : appendAndMoveOthers(...row, ...alsoValues(entry))
}
