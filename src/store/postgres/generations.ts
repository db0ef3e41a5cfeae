import type { ListQuery, Store } from '../../core/ports.ts'
import type { AttemptCallsRecord, GenerationRecord } from '../../core/records.ts'
import { pageOf, positionOf } from '../rules/cursor.ts'
import { wordsOf } from '../rules/prompt-words.ts'
import { costUnknown, GENERATION, generationOf, idempotencyOf, imageOf } from '../rules/rows.ts'
import type { Row } from '../rules/rows.ts'
import type { Connections } from './connections.ts'
import { binder, prepare } from './statement.ts'
import type { Statement } from './statement.ts'

export const SELECTED = `SELECT g.key, g.state, p.plan FROM ${GENERATION}`

/** A key that was renamed is named anew in its column alone. */
export function recordOf(row: Row): GenerationRecord {
  const key = row['key']
  return Object.assign(generationOf(row), { key: typeof key === 'string' ? key : null })
}

const one = prepare(`${SELECTED} WHERE g.id = $1`)
const calls = prepare('SELECT calls FROM attempt_calls JOIN generations ON number = generation WHERE id = $1 AND attempt = $2')
const image = prepare(`
  SELECT i.id, i.generation_id, i.sha256, i.format, i.width, i.height, i.bytes::float8, i.seed, i.flagged, i.link_url, i.link_expires_at::float8,
    coalesce(g.key, c.key) AS owner
  FROM images AS i LEFT JOIN generations AS g ON g.id = i.generation_id LEFT JOIN comparisons AS c ON c.id = i.generation_id WHERE i.id = $1`)
const idempotency = prepare('SELECT scope, key, body_hash, generation_id, created_at FROM idempotency WHERE scope = $1 AND key = $2')

type GenerationReader = Pick<Store, 'generation' | 'list' | 'attemptCalls' | 'image' | 'idempotency'>

/** Reads generations and what belongs to one of them. */
export const generationReader = ({ read }: Connections): GenerationReader => ({
  async generation(id) {
    const [row] = await read(one(id))
    return row === undefined ? null : recordOf(row)
  },
  async list(query) {
    return pageOf((await read(listOf(query))).map(recordOf), query.limit)
  },
  async attemptCalls(generationId, attempt) {
    const [row] = await read(calls(generationId, attempt))
    if (row === undefined) return null
    return { generationId, attempt, ...(JSON.parse(String(row['calls'])) as Pick<AttemptCallsRecord, 'complete' | 'data'>) }
  },
  async image(id) {
    const [row] = await read(image(id))
    const owner = row?.['owner']
    return row === undefined ? null : { ...imageOf(row), key: typeof owner === 'string' ? owner : null }
  },
  async idempotency(scope, key) {
    const [row] = await read(idempotency(scope, key))
    return row === undefined ? null : idempotencyOf(row)
  },
})

/** Newest first, one row more than is asked for. */
function listOf({ status, model, provider, key, isCostUnknown, metadata = {}, search, cursor, limit }: ListQuery): Statement {
  const { values, bind } = binder()
  const conditions = Object.entries({ status, model, provider, key }).flatMap(([column, value]) =>
    value === undefined ? [] : [`g.${column} = ${bind(value)}`],
  )
  if (isCostUnknown) conditions.push(costUnknown('g.id'))
  for (const pair of Object.entries(metadata)) conditions.push(hasPair('g.id', pair, bind))
  for (const word of search === undefined ? [] : wordsOf(search)) conditions.push(`p.prompt LIKE ${bind(`%${literally(word)}%`)}`)
  if (cursor !== undefined) {
    const { createdAt, id } = positionOf(cursor)
    conditions.push(`(g.created_at, g.id) < (${bind(createdAt)}, ${bind(id)})`)
  }
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  return { text: `${SELECTED} ${where} ORDER BY g.created_at DESC, g.id DESC LIMIT ${bind(limit + 1)}`, values }
}

/** SQL: whether a generation carries a pair. The index holds the beginning of long values. */
export function hasPair(id: string, [name, value]: readonly [string, string], bind: (value: unknown) => string): string {
  const text = bind(value)
  return `EXISTS (SELECT 1 FROM generation_metadata AS m
    WHERE m.generation_id = ${id} AND m.key = ${bind(name)} AND m.value = ${text} AND left(m.value, 100) = left(${text}, 100))`
}

const literally = (word: string): string => word.replaceAll(/[\\%_]/g, String.raw`\$&`)
