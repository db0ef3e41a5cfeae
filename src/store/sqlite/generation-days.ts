import type { DatabaseSync } from 'node:sqlite'
import type { ListQuery } from '../../core/ports.ts'
import type { Position } from '../rules/cursor.ts'
import { dayBehind, DAY_MS, namesAskedFor } from '../rules/generation-day.ts'
import { preparer } from './prepared.ts'
import type { ReadingTurn } from './reading-turn.ts'

/** Days whose names one turn of the event loop passes over: with two thousand active keys a few milliseconds. */
const DAYS_AT_ONCE = 31

/** A part of a list: what is older than `from`, and not older than `to`. Null has no end. */
export interface Stretch {
  readonly from: Position | null
  readonly to: Position | null
}

/**
 * Finds the newest day, from a position on, that has a generation with the model, provider and key of a list. A list of names that are rare, or
 * never come together, passes over no other day.
 * @returns null where no such day is left
 */
export function dayFinder(
  database: DatabaseSync,
  readingTurn: ReadingTurn,
): (query: ListQuery, from: Position | null) => Promise<Stretch | null> {
  // Asked of each by itself, the index says it; of both at once, every row is read.
  const known = database.prepare(
    'SELECT (SELECT min(day) FROM generation_days) AS oldest, (SELECT max(day) FROM generation_days) AS newest',
  )
  const prepared = preparer(database)

  return async (query, from) => {
    const names = namesAskedFor(query)
    if (names.length === 0) return { from, to: null }
    if (!database.isOpen) return null
    const { oldest, newest } = known.get() ?? {}
    if (typeof oldest !== 'number' || typeof newest !== 'number') return null
    const where = names.map(([column]) => `${column} = ?`).join(' AND ')
    const statement = prepared(`SELECT max(day) AS day FROM generation_days WHERE day > ? AND day <= ? AND ${where}`)
    const values = names.map(([, name]) => name)
    for (let to = from === null ? newest : Math.min(newest, dayBehind(from)); to >= oldest && database.isOpen; to -= DAYS_AT_ONCE) {
      const day = statement.get(to - DAYS_AT_ONCE, to, ...values)?.['day']
      if (typeof day === 'number') return stretchOf(day, from)
      await readingTurn(query)
    }
    return null
  }
}

function stretchOf(day: number, from: Position | null): Stretch {
  const end = (day + 1) * DAY_MS
  return { from: from !== null && from.createdAt < end ? from : { createdAt: end, id: '' }, to: { createdAt: day * DAY_MS, id: '' } }
}
