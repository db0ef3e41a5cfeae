import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { GenerationRecord } from '#contract'
import type { ListQuery } from '../../run/ports.ts'
import { cursorOf, positionOf } from './cursor.ts'
import { generationOf } from './rows.ts'

interface Page {
  readonly records: readonly GenerationRecord[]
  readonly nextCursor: string | null
}

/**
 * Lists newest first. Without a metadata filter it walks the covering index of generations; with one, the index of that metadata
 * pair, which has the same order, so a rare pair is found without passing over everything else.
 */
export function lister(database: DatabaseSync): (query: ListQuery) => Page {
  const statements = new Map<string, StatementSync>()

  const prepared = (sql: string): StatementSync => {
    const statement = statements.get(sql) ?? database.prepare(sql)
    statements.set(sql, statement)
    return statement
  }

  return (query) => {
    const { sql, values } = selection(query)
    const rows = prepared(sql).all(...values, query.limit + 1)
    const records = rows.slice(0, query.limit).map(generationOf)
    const last = records.at(-1)
    return { records, nextCursor: rows.length > query.limit && last !== undefined ? cursorOf(last) : null }
  }
}

function selection(query: ListQuery): { readonly sql: string; readonly values: readonly SQLInputValue[] } {
  const [firstPair, ...otherPairs] = Object.entries(query.metadata ?? {})
  const [source, createdAt, id] = firstPair
    ? ['generation_metadata AS first CROSS JOIN generations AS g ON g.id = first.generation_id', 'first.created_at', 'first.generation_id']
    : ['generations AS g', 'g.created_at', 'g.id']
  const conditions: string[] = []
  const values: SQLInputValue[] = []
  const require = (condition: string, ...bound: readonly SQLInputValue[]): void => {
    conditions.push(condition)
    values.push(...bound)
  }
  if (firstPair) require('first.key = ? AND first.value = ?', ...firstPair)
  for (const pair of otherPairs) {
    require('EXISTS (SELECT 1 FROM generation_metadata AS m WHERE m.key = ? AND m.value = ? AND m.created_at = g.created_at AND m.generation_id = g.id)', ...pair)
  }
  if (query.status !== undefined) require('g.status = ?', query.status)
  if (query.model !== undefined) require('g.model = ?', query.model)
  if (query.provider !== undefined) require('g.provider = ?', query.provider)
  if (query.key !== undefined) require('g.key = ?', query.key)
  if (query.cursor !== undefined) {
    const position = positionOf(query.cursor)
    require(`(${createdAt}, ${id}) < (?, ?)`, position.createdAt, position.id)
  }
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  return { sql: `SELECT g.record FROM ${source}${where} ORDER BY ${createdAt} DESC, ${id} DESC LIMIT ?`, values }
}
