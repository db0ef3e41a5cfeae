import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { usdFromNano } from '#contract'
import { StoreError } from '../../core/ports.ts'
import type { GenerationRecord } from '../../core/records.ts'
import { searchedText } from '../rules/prompt-words.ts'
import { routingInFull } from '../rules/rows.ts'
import type { Row } from '../rules/rows.ts'
import { offerReader } from '../sqlite/considered-offers.ts'
import { keepApart } from '../sqlite/keep-apart.ts'
import { openDatabase } from '../sqlite/open.ts'
import { countProviderHours } from '../sqlite/provider-hours.ts'
import { openConnections } from './connections.ts'
import type { Connection } from './connections.ts'
import { failureOf } from './failure-of.ts'
import { migrate } from './migrate.ts'
import { joinDatabase } from './sharing.ts'
import type { Statement } from './statement.ts'
import { COUNTED, TABLES } from './tables.ts'
import type { Table } from './tables.ts'
import { markMoved, wasWorkedWith } from './untouched-move.ts'

/** What a table holds, on both sides. */
export interface MovedTable {
  readonly table: string
  readonly from: TableContents
  readonly to: TableContents
}

export interface TableContents {
  readonly rows: number
  /** Of columns, as whole numbers; of money, in US dollars. */
  readonly sums: Readonly<Record<string, string>>
}

const ROWS_AT_ONCE = 500

/**
 * Copies everything in the database of a data folder that no process uses into PostgreSQL, in one transaction, and compares counts and sums
 * before it is committed. It can be repeated: what an earlier move brought is replaced by what the folder holds now.
 * @throws StoreError `in_use` where a gateway uses either side, or the target holds what is not in the folder; `damaged` where the sides differ
 */
export async function moveToPostgres(directory: string, url: string, progress: (table: string) => void): Promise<readonly MovedTable[]> {
  const source = openDatabase(directory)
  try {
    keepApart(source, 'real')
    countProviderHours(source)
    const alone = await joinDatabase(url, { prepareSchema: migrate, how: 'alone' })
    const connections = openConnections(url)
    try {
      const connection = await connections.take()
      // Half of a move is taken back with its connection.
      let isBroken = true
      try {
        const moved = await inTransaction(source, connection, progress)
        isBroken = false
        return moved
      } finally {
        connection.release(isBroken)
      }
    } catch (error) {
      throw failureOf(error) ?? error
    } finally {
      await connections.close()
      await alone.release()
    }
  } finally {
    source.close()
  }
}

const rowsOf =
  (connection: Connection) =>
  async (statement: Statement): Promise<readonly Row[]> =>
    (await connection.run(statement)).rows

const plain = (text: string, ...values: readonly unknown[]): Statement => ({ text, values })

async function inTransaction(
  source: DatabaseSync,
  connection: Connection,
  progress: (table: string) => void,
): Promise<readonly MovedTable[]> {
  await connection.run(plain('BEGIN'))
  await refuseForeign(source, connection)
  await connection.run(plain(`TRUNCATE ${TABLES.map(({ name }) => name).join(', ')}`))
  for (const table of TABLES) {
    progress(table.name)
    await copy(source, connection, table)
  }
  for (const [table, column] of COUNTED)
    await connection.run(
      plain(
        `SELECT setval(pg_get_serial_sequence('${table}', '${column}'), coalesce((SELECT max(${column}) FROM ${table}), 0) + 1, false)`,
      ),
    )
  const moved: MovedTable[] = []
  for (const table of TABLES) {
    const sql = contentsOf(table)
    const statement = source.prepare(sql)
    statement.setReadBigInts(true)
    const { rows } = await connection.run(plain(sql))
    moved.push({ table: table.name, from: read(statement.get() ?? {}, table), to: read(rows[0] ?? {}, table) })
  }
  const different = moved.filter(
    ({ from, to }) => from.rows !== to.rows || Object.entries(from.sums).some(([name, sum]) => to.sums[name] !== sum),
  )
  if (different.length > 0)
    throw new StoreError('damaged', `what arrived differs in ${different.map(({ table }) => table).join(', ')}; nothing was written`)
  await markMoved(rowsOf(connection))
  await connection.run(plain('COMMIT'))
  return moved
}

/**
 * A database that a gateway has worked with since holds what would be lost: new generations, or the ends of those that were brought, which would
 * be bought again.
 */
async function refuseForeign(source: DatabaseSync, connection: Connection): Promise<void> {
  const known = source.prepare('SELECT 1 FROM generations WHERE id = ?')
  const { rows } = await connection.run(plain('SELECT id FROM generations ORDER BY number DESC LIMIT 1000'))
  const foreign = rows.filter(({ id }) => known.get(String(id)) === undefined)
  if (foreign.length === 0 && !(await wasWorkedWith(rowsOf(connection)))) return
  const what = foreign.length === 0 ? 'more than a move brought' : `generations that are not in --from (${String(foreign[0]?.['id'])})`
  const message = `the database of --to holds ${what}: a gateway has worked with it since; name an empty one`
  throw new StoreError('in_use', message)
}

async function copy(source: DatabaseSync, connection: Connection, { name, columns, made = {} }: Table): Promise<void> {
  const names = Object.keys(columns)
  const selected = names.map((column) => (made[column] === undefined ? column : `${made[column]} AS ${column}`)).join(', ')
  const statement = source.prepare(`SELECT ${selected} FROM ${name}`)
  statement.setReadBigInts(true)
  const arrays = Object.values(columns).map((type, index) => `$${index + 1}::${type}[]`)
  const text = `INSERT INTO ${name} (${names.join(', ')}) SELECT * FROM unnest(${arrays.join(', ')})`
  let rows: Row[] = []
  const flush = async (): Promise<void> => {
    if (rows.length === 0) return
    const values = Object.entries(columns).map(([column, type]) =>
      rows.map((row) => (type === 'boolean' ? Number(row[column]) === 1 : (row[column] as SQLInputValue))),
    )
    rows = []
    await connection.run({ text, values })
  }
  const offerOf = offerReader(source)
  for (const row of statement.iterate()) {
    rows.push(name === 'generation_plans' ? planRow(row, offerOf) : row)
    if (rows.length === ROWS_AT_ONCE) await flush()
  }
  await flush()
}

/** With every considered offer in full, and with the prompt as it is searched. */
function planRow(row: Row, offerOf: ReturnType<typeof offerReader>): Row {
  const plan = JSON.parse(String(row['plan'])) as Pick<GenerationRecord, 'request' | 'routing'>
  const inFull = JSON.stringify({ ...plan, routing: routingInFull(plan.routing, offerOf) })
  return { ...row, plan: inFull, prompt: searchedText(plan.request.prompt ?? '') }
}

/** SQL that both sides understand. */
const contentsOf = ({ name, sums }: Table): string =>
  `SELECT ${['count(*) AS rows_there', ...sums.map((column) => `CAST(coalesce(sum(${column}), 0) AS bigint) AS ${column}`)].join(', ')} FROM ${name}`

const read = (row: Row, { sums }: Table): TableContents => ({
  rows: Number(row['rows_there']),
  sums: Object.fromEntries(sums.map((column) => [column, sumOf(column, row[column] as bigint)])),
})

const MONEY: ReadonlySet<string> = new Set(['amount', 'quoted', 'used'])
const sumOf = (column: string, sum: bigint): string => (MONEY.has(column) ? usdFromNano(sum) : String(sum))
