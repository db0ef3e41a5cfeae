import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ListQuery } from '../../core/ports.ts'
import type { GenerationRecord } from '../../core/records.ts'
import { pageOf, positionOf } from '../rules/cursor.ts'
import type { Page } from '../rules/cursor.ts'
import { filtersOf } from './filters.ts'
import { preparer } from './prepared.ts'
import { hasWords, wordsOf } from '../rules/prompt-words.ts'
import { matchOf } from './prompt-search.ts'
import type { PromptSearch } from './prompt-search.ts'
import { GENERATION, generationOf } from '../rules/rows.ts'

/** Generations whose index one turn of the event loop searches, and those it reads. */
const SEARCHED_NUMBERS = 50_000
const READ_ROWS = 200

type Row = Record<string, SQLOutputValue>

/**
 * Lists the generations whose prompts have all words of a search, newest first: those that are not in the index yet by reading them, the others
 * by the index, in slices between which others are served. The other filters are asked of each that fits.
 */
export function promptLister(
  database: DatabaseSync,
  search: PromptSearch,
): (query: ListQuery & { readonly search: string }) => Promise<Page<GenerationRecord>> {
  const newest = database.prepare('SELECT coalesce(max(number), 0) AS number FROM generations')
  const inIndex = database.prepare(
    'SELECT rowid AS number FROM prompt_search WHERE prompt_search MATCH ? AND rowid > ? AND rowid <= ? ORDER BY rowid DESC',
  )
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
    const one = prepared(`${SELECTED} WHERE g.number = ? ${where}`)
    const byIndex = function* (above: number, to: number): Generator<Row> {
      for (const { number } of inIndex.iterate(match, above, to)) yield* one.all(Number(number), ...values)
    }
    const indexed = match === null ? 0 : search.indexedTo()
    let before = beforeOf(query, prepared) ?? Number(newest.get()?.['number']) + 1
    while (before > 1 && database.isOpen) {
      const isIndexed = before - 1 <= indexed
      const above = isIndexed ? Math.max(0, before - 1 - SEARCHED_NUMBERS) : Math.max(indexed, before - 1 - READ_ROWS)
      if (take(isIndexed ? byIndex(above, before - 1) : read.all(above, before, ...values))) break
      before = above + 1
      await nextTurn()
    }
    return pageOf(found.map(generationOf), query.limit)
  }
}

const SELECTED = `SELECT g.state, p.plan, p.plan ->> '$.request.prompt' AS prompt FROM ${GENERATION}`

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
