import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { ListQuery } from '../../core/ports.ts'
import type { GenerationRecord } from '../../core/records.ts'
import { pageOf, positionOf } from '../rules/cursor.ts'
import type { Page, Position } from '../rules/cursor.ts'
import { filtersOf } from './filters.ts'
import type { Columns, Conditions, Pair } from './filters.ts'
import { dayFinder } from './generation-days.ts'
import type { Stretch } from './generation-days.ts'
import { promptLister } from './list-by-prompt.ts'
import type { ListerDependencies } from './list-by-prompt.ts'
import { preparer } from './prepared.ts'

/** Rows that one turn of the event loop examines: with every filter there is, and all of them in vain, a few milliseconds. */
const EXAMINED_ROWS = 10_000
const EXAMINED_ROWS_BESIDE_PAIRS = 500

/** Rows that one turn reads: each may hold 200 kB, most of it its prompt. */
const READ_ROWS = 25

/** How far the rows of a metadata pair are counted to find the rarest one. */
const COUNTED_ROWS = 1_000

/**
 * Lists newest first. Without a metadata filter it walks the covering index of generations, or of those that are open or failed; with one, the
 * index of the rarest of the pairs, which has the same order, so a rare pair is found without passing over everything else. Filters that fit
 * few rows are searched for slice by slice, and others are served between two of them. Days on which nobody had the model, provider and key that
 * are asked for are left out. Of all that wait one goes on in a turn, also with its first slice: many at once are many times a slice.
 */
export function lister(database: DatabaseSync, reading: ListerDependencies): (query: ListQuery) => Promise<Page<GenerationRecord>> {
  const { readingTurn, plans } = reading
  const searched = promptLister(database, reading)
  const count = database.prepare('SELECT count(*) AS rows FROM (SELECT 1 FROM generation_metadata WHERE key = ? AND value = ? LIMIT ?)')

  const nextDay = dayFinder(database, readingTurn)
  const prepared = preparer(database)

  const rarestFirst = (pairs: readonly Pair[]): readonly Pair[] => {
    if (pairs.length < 2) return pairs
    const counted = pairs.map((pair) => ({ pair, rows: Number(count.get(...pair, COUNTED_ROWS)?.['rows']) }))
    return counted.toSorted((a, b) => a.rows - b.rows).map(({ pair }) => pair)
  }

  /** Where a slice of a stretch ends: at the latest where the stretch does. */
  const endOfSlice = (query: ListQuery, pair: Pair | undefined, { from, to }: Stretch): Position | null => {
    const [table, id] = pair ? ['generation_metadata', 'generation_id'] : ['generations', 'id']
    const between = betweenOf({ from, to }, { createdAt: 'created_at', id })
    const conditions = [...(pair ? ['key = ? AND value = ?'] : fewRows(query)), ...between.conditions]
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
    const sql = `SELECT created_at, ${id} AS id FROM ${table} ${where} ORDER BY created_at DESC, ${id} DESC LIMIT 1 OFFSET ?`
    const row = prepared(sql).get(...(pair ?? []), ...between.values, pair ? EXAMINED_ROWS_BESIDE_PAIRS : EXAMINED_ROWS)
    return row === undefined ? to : { createdAt: Number(row['created_at']), id: String(row['id']) }
  }

  return async (query) => {
    await readingTurn(query)
    let from = query.cursor === undefined ? null : positionOf(query.cursor)
    if (query.search !== undefined) {
      return (await nextDay(query, null)) === null ? pageOf([], query.limit) : searched({ ...query, search: query.search })
    }
    const pairs = rarestFirst(Object.entries(query.metadata ?? {}))
    const found: GenerationRecord[] = []
    /** A slice, in parts; what ends a part begins the next. */
    const read = async (slice: Stretch): Promise<void> => {
      let begin = slice.from
      while (database.isOpen) {
        const { sql, values } = selection(query, pairs, { ...slice, from: begin })
        const wanted = Math.min(READ_ROWS, query.limit + 1 - found.length)
        const rows = prepared(sql).all(...values, wanted)
        found.push(...rows.map((row) => plans.generationOf(row)))
        if (rows.length < wanted || found.length > query.limit) return
        begin = found.at(-1) ?? null
        await readingTurn(query)
      }
    }
    while (database.isOpen) {
      const stretch = await nextDay(query, from)
      if (stretch === null) break
      const to = isFiltered(query) ? endOfSlice(query, pairs[0], stretch) : null
      await read({ from: stretch.from, to })
      if (to === null || found.length > query.limit) break
      from = to
      await readingTurn(query)
    }
    return pageOf(found, query.limit)
  }
}

const isFiltered = ({ status, model, provider, isCostUnknown, key, metadata }: ListQuery): boolean =>
  metadata !== undefined || isCostUnknown === true || [status, model, provider, key].some((filter) => filter !== undefined)

/** What a status says besides, so that an index of few rows is walked instead of that of all. */
function fewRows({ status }: ListQuery): readonly string[] {
  switch (status) {
    case 'failed':
    case 'canceled':
      return ["status IN ('failed', 'canceled')"]
    case 'queued':
    case 'running':
      return ['open = 1']
    default:
      return []
  }
}

const betweenOf = ({ from, to }: Stretch, { createdAt, id }: Columns): Conditions => ({
  conditions: [...(from ? [`(${createdAt}, ${id}) < (?, ?)`] : []), ...(to ? [`(${createdAt}, ${id}) >= (?, ?)`] : [])],
  values: [from, to].flatMap((end) => (end === null ? [] : [end.createdAt, end.id])),
})

interface Selection {
  readonly sql: string
  readonly values: readonly SQLInputValue[]
}

/** Rows of one slice. */
function selection(query: ListQuery, [firstPair, ...otherPairs]: readonly Pair[], slice: Stretch): Selection {
  // The row's own index answers the other filters of a pair's generations without reading their records.
  const source = firstPair
    ? 'generation_metadata AS first CROSS JOIN generations AS g INDEXED BY generations_newest ON g.created_at = first.created_at AND g.id = first.generation_id'
    : 'generations AS g'
  const [createdAt, id] = firstPair ? ['first.created_at', 'first.generation_id'] : ['g.created_at', 'g.id']
  const others = filtersOf(query, otherPairs, { createdAt, id })
  const between = betweenOf(slice, { createdAt, id })
  const conditions = [...(firstPair ? ['first.key = ? AND first.value = ?'] : fewRows(query)), ...others.conditions, ...between.conditions]
  const values = [...(firstPair ?? []), ...others.values, ...between.values]
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  return {
    sql: `SELECT g.state, p.plan FROM ${source} JOIN generation_plans AS p USING (number)${where} ORDER BY ${createdAt} DESC, ${id} DESC LIMIT ?`,
    values,
  }
}
