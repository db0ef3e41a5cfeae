import { StoreError } from '../../core/ports.ts'

/** SQLSTATE classes that blame the server or the way to it. https://www.postgresql.org/docs/current/errcodes-appendix.html */
const CONNECTION = '08'
const OPERATOR = '57P'
/** Memory, connections; of the disk we say more. */
const RESOURCES = '53'
const DISK_FULL = '53100'
/** The server's disk, or its files. */
const SYSTEM = '58'
const INTERNAL = 'XX'
/** Not the database it was: a replica that never had the schema, or one that is being restored. */
const NO_SCHEMA = new Set(['42P01', '3F000'])
const READ_ONLY = '25006'
/** The server ended a transaction that had come to a stop, or took longer than its `transaction_timeout`, and its connection with it. */
const ENDED_WITH_CONNECTION = new Set(['25P03', '25P04'])
const QUERY_CANCELED = '57014'
const DEADLOCK = '40P01'
const SERIALIZATION = '40001'
const LOCK_TIMEOUT = '55P03'
const UNKNOWN_DATABASE = '3D000'
const AUTHENTICATION = '28'
const NO_PRIVILEGE = '42501'

/** The server's code, or null where the error is not the server's: EPIPE has five letters too, and comes of a call to the system. */
const stateOf = (error: unknown): string | null =>
  error instanceof Error && !('syscall' in error) && 'code' in error && typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code)
    ? error.code
    : null

/** Another try of the whole transaction may succeed: it met others on its way. */
export const isCollision = (error: unknown): boolean => [DEADLOCK, SERIALIZATION, LOCK_TIMEOUT].includes(stateOf(error) ?? '')

/** Whether the connection is gone, or no longer to be used: what it was asked last is not known to be done. */
export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const state = stateOf(error)
  if (state === null) return 'syscall' in error || LOST.test(error.message)
  return state.startsWith(CONNECTION) || state.startsWith(OPERATOR) || ENDED_WITH_CONNECTION.has(state)
}

/** How the driver says it, where the server did not. */
const LOST =
  /Connection terminated|Connection ended|connection error and is not queryable|Client was closed|timeout expired|read timeout|timeout exceeded when trying to connect|Cannot use a pool after calling end/

/** What an error of the server or the connection means, in our words; null where it is the statement's own. */
export function failureOf(error: unknown): StoreError | null {
  if (error instanceof StoreError) return error
  const reason = error instanceof Error ? error.message : String(error)
  const state = stateOf(error)
  if (state === DISK_FULL) {
    return new StoreError('full', `the disk of the database is full; nothing was written; free some space (${reason})`, { cause: error })
  }
  if (isConnectionLost(error) || state?.startsWith(RESOURCES) || state === QUERY_CANCELED || state === LOCK_TIMEOUT) {
    return new StoreError('unreachable', `the database cannot be reached; nothing was written; try again in a moment (${reason})`, {
      cause: error,
    })
  }
  if (state === null) return null
  if (state === READ_ONLY) {
    return new StoreError('io', `the database takes no writes; store.url must name the primary server (${reason})`, { cause: error })
  }
  if (NO_SCHEMA.has(state)) {
    return new StoreError('io', `${WITHOUT_SCHEMA} (${reason})`, { cause: error })
  }
  if (state.startsWith(SYSTEM) || state.startsWith(INTERNAL)) {
    return new StoreError('io', `the database server fails; its own log says more (${reason})`, { cause: error })
  }
  if (state === UNKNOWN_DATABASE || state.startsWith(AUTHENTICATION) || state === NO_PRIVILEGE) {
    return new StoreError(
      'io',
      `the database does not take us: ${reason}; correct store.url, or make the database and grant its user CREATE on it`,
      { cause: error },
    )
  }
  return null
}

const WITHOUT_SCHEMA =
  'the database has not the tables that it had at the start; store.url must lead to the same data, or start the gateway anew to make them'
