import type { ListQuery, Store } from '../../core/ports.ts'
import type { AttemptCallsRecord, GenerationRecord } from '../../core/records.ts'
import { pageOf, positionOf } from '../rules/cursor.ts'
import { DAY_MS, dayBehind, namesAskedFor } from '../rules/generation-day.ts'
import { wordsOf } from '../rules/prompt-words.ts'
import { turnOf } from '../../reading/turn-of.ts'
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
export const generationReader = ({ read, readMany }: Connections): GenerationReader => ({
  async generation(id) {
    const [row] = await read(one(id))
    return row === undefined ? null : recordOf(row)
  },
  async list(query) {
    const readTheirs = (statement: Statement): Promise<readonly Row[]> => readMany(statement, turnOf(query))
    const rows = isByDays(query) ? await listByDays(readTheirs, query) : await readTheirs(listOf(query))
    return pageOf(rows.map(recordOf), query.limit)
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

/** Newest first, one row more than is asked for. Names that nobody has end it before it begins. */
function listOf(query: ListQuery): Statement {
  const { values, bind } = binder()
  const names = namesAskedFor(query)
  const conditions = conditionsOf(query, bind)
  if (names.length > 0) conditions.push(`EXISTS (SELECT 1 FROM generation_days AS d WHERE ${sameNames(names, bind)})`)
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
  return { text: `${SELECTED} ${where} ${NEWEST_FIRST} LIMIT ${bind(query.limit + 1)}`, values }
}

const NEWEST_FIRST = 'ORDER BY g.created_at DESC, g.id DESC'

const sameNames = (names: ReturnType<typeof namesAskedFor>, bind: Bind): string =>
  names.map(([column, name]) => `d.${column} = ${bind(name)}`).join(' AND ')

type Bind = (value: unknown) => string

function conditionsOf({ status, model, provider, key, isCostUnknown, metadata = {}, search, cursor }: ListQuery, bind: Bind): string[] {
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
  return conditions
}

/** What else is asked for has an index of its own, which finds more quickly what is rare. */
const isByDays = (query: ListQuery): boolean =>
  namesAskedFor(query).length > 0 && query.search === undefined && query.metadata === undefined && query.isCostUnknown !== true

/** Days of the first statement, and how many times more each further one asks: what is frequent is in the newest days. */
const FIRST_DAYS = 2
const TIMES_MORE = 4
/** PostgreSQL's greatest integer. */
const NO_DAY_IS_LATER = 2 ** 31 - 1

/** As `listOf`, of days alone on which the names that are asked for occur together: what is rare is found without a pass over all others. */
async function listByDays(read: Connections['read'], query: ListQuery): Promise<readonly Row[]> {
  const found: Row[] = []
  let day = query.cursor === undefined ? NO_DAY_IS_LATER : dayBehind(positionOf(query.cursor))
  for (let days = FIRST_DAYS; ; days *= TIMES_MORE) {
    const rows = await read(listOfDays(query, day, days))
    found.push(...rows.filter((row) => row['state'] !== null))
    const last = rows.at(-1)
    if (last === undefined || found.length > query.limit || new Set(rows.map((row) => row['day'])).size < days) return found
    day = Number(last['day']) - 1
  }
}

/** A row for each generation, and one without a state for a day that has none. */
function listOfDays(query: ListQuery, newest: number, count: number): Statement {
  const { values, bind } = binder()
  const days = `SELECT DISTINCT d.day FROM generation_days AS d
    WHERE d.day <= ${bind(newest)} AND ${sameNames(namesAskedFor(query), bind)} ORDER BY d.day DESC LIMIT ${bind(count)}`
  const conditions = [
    `g.created_at >= days.day * ${DAY_MS}::bigint AND g.created_at < (days.day + 1) * ${DAY_MS}::bigint`,
    ...conditionsOf(query, bind),
  ]
  const ofDay = `SELECT g.created_at, g.id, g.key, g.state, p.plan FROM ${GENERATION} WHERE ${conditions.join(' AND ')} ${NEWEST_FIRST} LIMIT ${bind(query.limit + 1)}`
  const text = `SELECT days.day, g.key, g.state, g.plan FROM (${days}) AS days LEFT JOIN LATERAL (${ofDay}) AS g ON true
    ORDER BY days.day DESC, g.created_at DESC, g.id DESC`
  return { text, values }
}

/** SQL: whether a generation carries a pair. The index holds the beginning of long values. */
export function hasPair(id: string, [name, value]: readonly [string, string], bind: Bind): string {
  const text = bind(value)
  return `EXISTS (SELECT 1 FROM generation_metadata AS m
    WHERE m.generation_id = ${id} AND m.key = ${bind(name)} AND m.value = ${text} AND left(m.value, 100) = left(${text}, 100))`
}

const literally = (word: string): string => word.replaceAll(/[\\%_]/g, String.raw`\$&`)
