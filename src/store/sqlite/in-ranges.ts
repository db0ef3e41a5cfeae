import type { DatabaseSync, SQLInputValue } from 'node:sqlite'

/** What one statement would have to undo is kept in memory (`open.ts`): of so many rows a few megabytes, of all rows as much as the table. */
const ROWS_AT_ONCE = 1_000

/**
 * Changes rows of a whole table, some by each statement; the caller's transaction holds them together.
 * @param statement with `:above` and `:to`, between which it changes rows by their row ids
 */
export function changeInRanges(
  database: DatabaseSync,
  table: string,
  statement: string,
  values: Readonly<Record<string, SQLInputValue>>,
): void {
  // Asked of each by itself, the table's own order says it; of both at once, every row is read.
  const ends = database.prepare(`SELECT (SELECT min(rowid) FROM ${table}) AS first, (SELECT max(rowid) FROM ${table}) AS last`).get()
  if (ends?.['first'] == null) return
  const change = database.prepare(statement)
  const last = Number(ends['last'])
  for (let above = Number(ends['first']) - 1; above < last; above += ROWS_AT_ONCE)
    change.run({ ...values, above, to: above + ROWS_AT_ONCE })
}
