import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import type { CostRow } from '../../core/records.ts'
import type { CostQuery, ObservedBill } from '../../core/ports.ts'
import { metadataWhere } from './filters.ts'
import { costRowOf, observedBillOf } from '../rules/cost-row.ts'
import type { ReadingTurn } from './reading-turn.ts'
import { settledLines } from './settled.ts'

const SETTLED = settledLines('l')

/** Lines of the account that are passed over in one turn of the event loop, whether they are asked for or not. */
const PAGE_ROWS = 250

/** Of a line, in the order in which its values come: rows as lists are read in half the time. */
const COLUMNS = [
  'at',
  'seq',
  'kind',
  'generation_id',
  'attempt_id',
  'key',
  'provider',
  'model',
  'amount',
  'quoted',
  'images',
  'task',
] as const
type Values = readonly SQLOutputValue[]

/**
 * Settled and adjusted lines, oldest first. Reads page by page and lets everything else run in between, so that a report over years delays
 * no request, nor do many at once: one of all goes on in a turn; each page begins where the last one ended, whatever was appended meanwhile.
 */
export async function* readCosts(database: DatabaseSync, query: CostQuery, readingTurn: ReadingTurn): AsyncGenerator<readonly CostRow[]> {
  const { metadataNames = [] } = query
  const rowOf = metadataNames.length === 0 ? costRow : namedBy(metadataNames)
  await readingTurn(query)
  for (const rows of isFiltered(query) ? filteredPages(database, query) : wholePages(database, query)) {
    if (rows.length > 0) yield rows.map(rowOf)
    await readingTurn(query)
  }
}

const isFiltered = ({ key, provider, model, metadata = {} }: CostQuery): boolean =>
  [key, provider, model].some((value) => typeof value === 'string') || Object.keys(metadata).length > 0

/** Every line counts: a page ends with its own last line. */
function* wholePages(database: DatabaseSync, query: CostQuery): Generator<readonly Values[]> {
  const { sql, values, until, start } = selection(query)
  const page = inLists(database, `${sql}${until} ORDER BY l.at, l.seq LIMIT ${PAGE_ROWS}`)
  for (let from = start; ;) {
    const rows = valuesOf(page.all({ ...values, ...from, ...toOf(query) }))
    yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < PAGE_ROWS) return
    from = positionOf(last)
  }
}

/** Where a page ends is asked first, so that a filter that matches little never passes over more than one page at once. */
function* filteredPages(database: DatabaseSync, query: CostQuery): Generator<readonly Values[]> {
  const { sql, values, until, start } = selection(query)
  const pageEnd = inLists(
    database,
    `SELECT l.at, l.seq FROM ledger AS l
     WHERE ${SETTLED}${until} AND (l.at, l.seq) > (:at, :seq) ORDER BY l.at, l.seq LIMIT 1 OFFSET ${PAGE_ROWS - 1}`,
  )
  const page = inLists(database, `${sql} AND (l.at, l.seq) <= (:endAt, :endSeq) ORDER BY l.at, l.seq`)
  const lastPage = inLists(database, `${sql}${until} ORDER BY l.at, l.seq`)
  for (let from = start; ;) {
    const [end] = valuesOf(pageEnd.all({ ...from, ...toOf(query) }))
    if (end === undefined) return yield valuesOf(lastPage.all({ ...values, ...from, ...toOf(query) }))
    const next = positionOf(end)
    yield valuesOf(page.all({ ...values, ...from, endAt: next.at, endSeq: next.seq }))
    from = next
  }
}

interface Position {
  readonly at: bigint
  readonly seq: bigint
}

const positionOf = ([at, seq]: Values): Position => ({ at: at as bigint, seq: seq as bigint })
const toOf = ({ to }: CostQuery): Readonly<Record<string, SQLInputValue>> => (to === null ? {} : { to })

/** Rows come as lists of their values, integers big. */
function inLists(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql)
  statement.setReadBigInts(true)
  statement.setReturnArrays(true)
  return statement
}
/** The types of `node:sqlite` know rows as records alone. */
const valuesOf = (rows: unknown): readonly Values[] => rows as readonly Values[]

/** The rule for a row knows its columns by name. */
function costRow(values: Values): CostRow {
  const [at, , kind, generation, attempt, key, provider, model, amount, quoted, images, task, createdAt, metadata] = values
  const row = { at, kind, generation_id: generation, attempt_id: attempt, key, provider, model, amount, quoted, images, task }
  return costRowOf({ ...row, created_at: createdAt, metadata })
}

/** A row whose own columns are followed by the values of these metadata. */
const namedBy =
  (names: readonly string[]) =>
  (values: Values): CostRow => {
    const pairs = names.map((name, index) => [name, values[COLUMNS.length + index]] as const)
    const metadata = Object.fromEntries(pairs.filter((pair): pair is readonly [string, string] => typeof pair[1] === 'string'))
    return { ...costRow(values.slice(0, COLUMNS.length)), metadata }
  }

interface Selection {
  readonly sql: string
  /** What its filters stand for. */
  readonly values: Readonly<Record<string, SQLInputValue>>
  /** The end of the time that is asked for. */
  readonly until: string
  readonly start: Position
}

/** What is asked of a page, after its first line. */
function selection(query: CostQuery): Selection {
  const pairs = Object.entries(query.metadata ?? {})
  const values: Record<string, SQLInputValue> = {}
  const conditions = (['key', 'provider', 'model'] as const).flatMap((column) => {
    const value = query[column]
    if (value === null || value === undefined) return []
    values[column] = value
    return [` AND l.${column} = :${column}`]
  })
  for (const [index, [name, value]] of pairs.entries()) {
    values[`name${index}`] = name
    values[`value${index}`] = value
    conditions.push(` AND ${metadataWhere(`m.generation_id = l.generation_id AND m.key = :name${index} AND m.value = :value${index}`)}`)
  }
  const { withGeneration = false, metadataNames = [] } = query
  for (const [index, name] of metadataNames.entries()) values[`asked${index}`] = name
  const named = metadataNames.map(
    (_, index) => `, (SELECT m.value FROM generation_metadata AS m WHERE m.generation_id = l.generation_id AND m.key = :asked${index})`,
  )
  const generation = withGeneration
    ? `, (SELECT g.created_at FROM generations AS g WHERE g.id = l.generation_id) AS created_at,
         (SELECT json_group_object(m.key, m.value) FROM generation_metadata AS m WHERE m.generation_id = l.generation_id) AS metadata`
    : named.join('')
  const columns = COLUMNS.map((column) => `l.${column}`).join(', ')
  return {
    sql: `SELECT ${columns}${generation} FROM ledger AS l WHERE ${SETTLED} AND (l.at, l.seq) > (:at, :seq)${conditions.join('')}`,
    values,
    until: query.to === null ? '' : ' AND l.at < :to',
    start: { at: BigInt(query.from ?? 0), seq: -1n },
  }
}

/** What an offer billed while it was unpriced; the partial index holds just these. */
export function observedBillReader(database: DatabaseSync): (provider: string, model: string, limit: number) => readonly ObservedBill[] {
  const newest = database.prepare(`
    SELECT key, amount, images, task, at FROM ledger
    WHERE kind = 'billed' AND quoted IS NULL AND provider = ? AND model = ? ORDER BY seq DESC LIMIT ?`)
  newest.setReadBigInts(true)
  return (provider, model, limit) => newest.all(provider, model, limit).flatMap(observedBillOf)
}
