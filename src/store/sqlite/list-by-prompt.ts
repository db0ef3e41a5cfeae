import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { ListQuery } from '../../core/ports.ts'
import type { GenerationRecord } from '../../core/records.ts'
import { pageOf, positionOf } from '../rules/cursor.ts'
import type { Page } from '../rules/cursor.ts'
import type { Plans } from './considered-offers.ts'
import { filtersOf } from './filters.ts'
import { preparer } from './prepared.ts'
import type { ReadingTurn } from './reading-turn.ts'
import { hasWords, wordsOf } from '../rules/prompt-words.ts'
import { matchOf } from './prompt-search.ts'
import type { PromptSearch } from './prompt-search.ts'
import { GENERATION } from '../rules/rows.ts'

/**
 * Generations that one turn of the event loop searches: the fewest, since to begin costs some milliseconds as well, and the most. What one costs
 * is known once it was searched: a word that none has costs next to nothing, one that all have, of which a filter leaves none, a thousand times
 * as much.
 */
const SEARCHED_NUMBERS = { first: 500, fewest: 250, most: 50_000 }
/** Those that it reads, since they are not in the index yet. */
const READ_ROWS = 200
/** Those that it makes records of: each may hold 200 kB, most of it its prompt. */
const PARSED_ROWS = 25
/** What a turn may take, in milliseconds. The next one searches as many as would have taken so long, and at most four times as many. */
const TURN_MS = 8

type Row = Record<string, SQLOutputValue>

export interface ListerDependencies {
  readonly search: PromptSearch
  readonly readingTurn: ReadingTurn
  readonly plans: Plans
}

/**
 * Lists the generations whose prompts have all words of a search, newest first: those that are not in the index yet by reading them, the others
 * by the index, in slices between which others are served. The other filters are asked of each that fits. Of all searches and lists one goes on
 * in a turn, those of a key after those of another.
 */
export function promptLister(
  database: DatabaseSync,
  { search, readingTurn, plans }: ListerDependencies,
): (query: ListQuery & { readonly search: string }) => Promise<Page<GenerationRecord>> {
  const newest = database.prepare('SELECT coalesce(max(number), 0) AS number FROM generations')
  const prepared = preparer(database)

  return async (query) => {
    const words = wordsOf(query.search)
    const match = matchOf(words)
    const { conditions, values } = filtersOf(query, Object.entries(query.metadata ?? {}))
    const where = conditions.map((condition) => `AND ${condition}`).join(' ')
    const found: Row[] = []
    const take = (rows: Iterable<Row>): boolean => {
      for (const row of rows) {
        if (hasWords(String(row['prompt'] ?? ''), words)) found.push(row)
        if (found.length > query.limit) return true
      }
      return false
    }
    const read = prepared(`${SELECTED} WHERE g.number > ? AND g.number < ? ${where} ORDER BY g.number DESC`)
    const byIndex = prepared(
      `${SELECTED_BY_INDEX} WHERE s.prompt_search MATCH ? AND s.rowid > ? AND s.rowid < ? ${where} ORDER BY s.rowid DESC`,
    )
    // The index knows whole numbers alone as bounds. A number of JavaScript is a real one: it would search everything at each slice.
    const inIndex = (above: number, to: number) => byIndex.iterate(match, BigInt(above), BigInt(to), ...values)
    const indexed = match === null ? 0 : search.indexedTo()
    let before = beforeOf(query, prepared) ?? Number(newest.get()?.['number']) + 1
    let size = SEARCHED_NUMBERS.first
    while (before > 1) {
      await readingTurn(query)
      if (!database.isOpen) break
      const beganAt = performance.now()
      const isIndexed = before - 1 <= indexed
      const above = isIndexed ? Math.max(0, before - 1 - size) : Math.max(indexed, before - 1 - Math.min(size, READ_ROWS))
      if (take(isIndexed ? inIndex(above, before) : read.iterate(above, before, ...values))) break
      before = above + 1
      size = sizeAfter(size, performance.now() - beganAt)
    }
    const records: GenerationRecord[] = []
    for (let at = 0; at < found.length; at += PARSED_ROWS) {
      if (at > 0) await readingTurn(query)
      records.push(...found.slice(at, at + PARSED_ROWS).map((row) => plans.generationOf(row)))
    }
    return pageOf(records, query.limit)
  }
}

const sizeAfter = (size: number, tookMs: number): number =>
  Math.min(SEARCHED_NUMBERS.most, Math.max(SEARCHED_NUMBERS.fewest, Math.floor(size * Math.min(4, TURN_MS / tookMs))))

const SELECTED = `SELECT g.state, p.plan, p.plan ->> '$.request.prompt' AS prompt FROM ${GENERATION}`
/** The index comes first, so that its order is that of the list. */
const SELECTED_BY_INDEX = `SELECT g.state, p.plan, p.plan ->> '$.request.prompt' AS prompt FROM prompt_search AS s
  CROSS JOIN generations AS g ON g.number = s.rowid CROSS JOIN generation_plans AS p ON p.number = s.rowid`

/**
 * Numbers follow the order of acceptance. A generation that is gone, or another key’s, is as one that never was: what is older than its position
 * follows. Null without a cursor.
 */
function beforeOf({ cursor, key }: ListQuery, prepared: (sql: string) => StatementSync): number | null {
  if (cursor === undefined) return null
  const { createdAt, id } = positionOf(cursor)
  const own = prepared(`SELECT number FROM generations WHERE id = ?${key === undefined ? '' : ' AND key = ?'}`)
  const named = own.get(id, ...(key === undefined ? [] : [key]))
  if (named !== undefined) return Number(named['number'])
  const older = prepared('SELECT number FROM generations WHERE (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT 1')
  return Number(older.get(createdAt, id)?.['number'] ?? 0) + 1
}
