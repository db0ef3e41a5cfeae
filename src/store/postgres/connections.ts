import pg from 'pg'
import type { Row } from '../rules/rows.ts'
import { StoreError } from '../../core/ports.ts'
import { itsTurn } from '../../reading/turn-share.ts'
import { entrance, gate } from '../../reading/gate.ts'
import { failureOf, isConnectionLost } from './failure-of.ts'
import type { Result, Statement } from './statement.ts'
import { fromStored, fromStoredJson, toStored } from './stored-text.ts'

/** Everything of ours is in this schema of the database. */
export const SCHEMA = 'imagegate'

const MOST_CONNECTIONS = 10
/** How many of them lists, searches and reports have. */
const MOST_READING_MANY = 4
const CONNECT_MS = 5_000
/** No statement of ours takes so long; the way to the server is taken for lost then. */
const ANSWER_MS = 20_000
/** A process that stands still in the middle of a transaction holds up nobody for longer. */
const IDLE_IN_TRANSACTION_MS = 4_000
/**
 * How long a transaction waits for another one, before it is tried again. Shorter than that: what a process that stands still has waiting at the
 * server would get the same lock one after the other, and each hold it for so long.
 */
const LOCK_MS = 3_000
const RETRY_MS = 50

/** A connection of its own, for one transaction or as long as it is held. */
export interface Connection {
  /** Sends at once and waits for no statement before it; those of one connection are done in order. */
  run(statement: Statement): Promise<Result>
  /** @param isBroken it is not used again */
  release(isBroken: boolean): void
}

export interface Connections {
  /**
   * Who waits for one has it in turns of gateway keys.
   * @param whose the key that it is for; by default that of the request this is done for
   * @throws StoreError `unreachable`
   */
  take(whose?: string): Promise<Connection>
  /** One statement that can be done twice without harm: where its connection is lost, it is tried once more. */
  read(statement: Statement): Promise<readonly Row[]>
  /**
   * As `read`, for statements that pass over many rows or bring many: of all keys a few at once, in turns of keys, so that connections are left
   * for everything else, and what came of one of them goes on in a turn of the event loop.
   */
  readMany(statement: Statement, whose: string): Promise<readonly Row[]>
  close(): Promise<void>
}

const INT8 = 20
const TEXT = 25
const JSON_TEXT = 114

/** Amounts need all 64 bits. */
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (oid === INT8) return BigInt
    if (oid === TEXT) return fromStored
    if (oid === JSON_TEXT) return fromStoredJson
    return pg.types.getTypeParser(oid, format) as (value: string) => unknown
  }) as typeof pg.types.getTypeParser,
}

export const settingsOf = (url: string) => ({
  connectionString: url,
  types,
  pipeline: true,
  keepAlive: true,
  keepAliveInitialDelayMillis: 5_000,
  connectionTimeoutMillis: CONNECT_MS,
  query_timeout: ANSWER_MS,
  idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
  application_name: 'imagegate',
})

/** Names without a schema are ours; extensions may stand in `public`. */
export const SEARCH_PATH = `SET search_path TO ${SCHEMA}, public`

/** Sends statements over one client. */
export const runner =
  (client: pg.ClientBase): Connection['run'] =>
  async ({ name, text, values }) => {
    const { rows, rowCount } = await client.query<Row>({ ...(name === undefined ? {} : { name }), text, values: values.map(toStored) })
    return { rows, count: rowCount ?? 0 }
  }

/** The pool waits for it. */
const setSearchPath = (client: pg.ClientBase): unknown => client.query(SEARCH_PATH)

/** Whose request this is done for, a gateway key; '' where it is nobody's. */
export type Whose = () => string

/** Connections to the server, opened as they are needed. */
export function openConnections(url: string, whoseRequest: Whose = () => ''): Connections {
  const pool = new pg.Pool({
    ...settingsOf(url),
    lock_timeout: LOCK_MS,
    max: MOST_CONNECTIONS,
    onConnect: setSearchPath,
  })
  // One that is lost while nobody uses it is replaced at the next use.
  pool.on('error', () => {})

  // A crowd waits, and only a server that does not answer fails in time.
  const inTurns = entrance(MOST_CONNECTIONS)

  async function take(whose = whoseRequest()): Promise<Connection> {
    await inTurns.enter(whose)
    const client = await pool.connect().catch((error: unknown) => {
      inTurns.leave()
      throw failureOf(error) ?? new StoreError('unreachable', `the database cannot be reached (${String(error)})`, { cause: error })
    })
    // Its loss is reported by the statement that was under way.
    const ignore = () => {}
    client.on('error', ignore)
    return {
      run: runner(client),
      release(isBroken) {
        client.off('error', ignore)
        client.release(isBroken)
        inTurns.leave()
      },
    }
  }

  async function once(statement: Statement): Promise<readonly Row[]> {
    const connection = await take()
    let isBroken = true
    try {
      const { rows } = await connection.run(statement)
      isBroken = false
      return rows
    } catch (error) {
      isBroken = isConnectionLost(error)
      throw error
    } finally {
      connection.release(isBroken)
    }
  }

  const read: Connections['read'] = async (statement) => {
    try {
      return await once(statement)
    } catch (error) {
      if (!isConnectionLost(error)) throw failureOf(error) ?? error
    }
    // The server was started anew, perhaps: all connections of before are gone, and this one is fresh.
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    return once(statement).catch((error: unknown) => {
      throw failureOf(error) ?? error
    })
  }

  return { take, read, readMany: readerOfMany(read), close: () => pool.end() }
}

function readerOfMany(read: Connections['read']): Connections['readMany'] {
  const inTheirTurn = gate(MOST_READING_MANY)
  return (statement, whose) =>
    inTheirTurn(async () => {
      const rows = await read(statement)
      await itsTurn(0, whose)
      return rows
    }, whose)
}
