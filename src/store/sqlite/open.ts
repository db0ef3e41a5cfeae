import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { belongsToAnother } from '../owner.ts'
import { StoreError } from '../../core/ports.ts'
import { readFailure, resultCodeOf } from './failure-of.ts'
import { migrate, schemaVersion } from './migrations.ts'
import { OWN_FILE, OWN_FOLDER } from '../own-modes.ts'

export const DATABASE_FILE = 'imagegate.db'

/** How long a starting process waits for one that is just leaving. */
const lockWaitMs = 500
const cacheKilobytes = 8_192
/** 32 MB of log: a page that changes often is copied to the database once, not once for every few megabytes. */
const checkpointPages = 8_192
const busy = 5
/**
 * What a statement has changed, so that it can be undone alone. Once that was more than 64 kB, as when the index of prompts grows, SQLite has it in
 * a temporary file, and under a lock that is kept it writes each later statement's there too: 40 writes for a generation instead of 9. A step of the
 * schema changes and sorts whole tables, which belong in no memory: it comes before, and the database is opened anew behind it.
 */
const UNDONE_IN_MEMORY = 'PRAGMA temp_store = MEMORY'

/**
 * Opens `<directory>/imagegate.db`, brings its schema up to date and keeps it for this process alone.
 *
 * The exclusive locking mode is the lock on the data folder: the operating system holds it and lets go when the process dies, however it
 * dies, so nothing stale is left behind. Nothing else in this process may open and close the file: POSIX would drop the lock.
 * @param upgrade false leaves the schema as it is, for a backup before an upgrade
 * @throws StoreError `in_use`, `newer_schema`, `damaged`, `io`
 */
export function openDatabase(directory: string, { upgrade = true }: { readonly upgrade?: boolean } = {}): DatabaseSync {
  let database: DatabaseSync | null = null
  try {
    mkdirSync(directory, { recursive: true, mode: OWN_FOLDER })
    const path = join(directory, DATABASE_FILE)
    database = new DatabaseSync(path, { timeout: lockWaitMs, enableForeignKeyConstraints: true })
    keepPrivate(path)
    database.exec('PRAGMA locking_mode = EXCLUSIVE')
    database.exec('PRAGMA journal_mode = WAL')
    database.exec('PRAGMA synchronous = FULL')
    database.exec(`PRAGMA cache_size = -${cacheKilobytes}`)
    database.exec(`PRAGMA wal_autocheckpoint = ${checkpointPages}`)
    database.exec('BEGIN IMMEDIATE; COMMIT')
    if (upgrade) {
      const isOld = schemaVersion(database) > 0
      if (migrate(database) > 0 && isOld) {
        database.close()
        database = null
        return openDatabase(directory)
      }
    }
    database.exec(UNDONE_IN_MEMORY)
    return database
  } catch (error) {
    database?.close()
    throw explain(error, directory)
  }
}

/** It holds secrets, prompts and who asked. SQLite gives its log the same mode. */
function keepPrivate(path: string): void {
  try {
    chmodSync(path, OWN_FILE)
  } catch {
    // Another user's, who lets this process write: the mode is that user's to choose.
  }
}

function explain(error: unknown, directory: string): unknown {
  if (error instanceof StoreError) return error
  if (resultCodeOf(error) === busy) {
    const message = `another imagegate process is using the data folder ${directory}; stop it, or set IMAGEGATE_DATA to another folder`
    return new StoreError('in_use', message, { cause: error })
  }
  const failure = readFailure(error)
  if (failure instanceof StoreError) {
    const owner = failure.reason === 'io' ? belongsToAnother(directory) : ''
    return new StoreError(failure.reason, `${directory}: ${failure.message}${owner}`, { cause: error })
  }
  if (error instanceof Error && 'code' in error && 'syscall' in error) {
    const message = `the data folder ${directory} cannot be used (${error.message}); set IMAGEGATE_DATA to a folder this process may write${belongsToAnother(directory)}`
    return new StoreError('io', message, { cause: error })
  }
  return error
}
