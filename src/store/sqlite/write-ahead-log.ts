import { closeSync, fdatasync, openSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../../core/ports.ts'

/**
 * Pages in the log (8 MB) at which they are copied to the database: that writes them in one turn of the event loop, in a few milliseconds.
 * Four times as many would save a tenth of the store's CPU and stop everybody for four times as long.
 */
const LONG_PAGES = 2_048

/**
 * Brings what SQLite has committed to the disk, on another thread: SQLite itself would stop the event loop until the disk answers, which takes
 * milliseconds on a disk of the cloud and much longer on a busy one. It also asks for more than it needs (`fsync`, which writes the file's time too).
 */
export interface WriteAheadLog {
  /** Resolves once everything that is committed is on disk. */
  sync(): Promise<void>
  /** Copies a long log to the database, so that it begins anew. Only what is on disk may stand in it, and nothing may be committed meanwhile. */
  shortenIfLong(): Promise<void>
  /** The database has been closed. */
  close(): void
}

/**
 * Of a database in WAL mode, from whose commits SQLite then syncs nothing. https://www.sqlite.org/wal.html
 * @throws StoreError `io` where its files cannot be opened
 */
export function writeAheadLog(database: DatabaseSync): WriteAheadLog {
  const path = database.location()
  if (path === null) return OF_MEMORY
  const length = database.prepare('PRAGMA wal_checkpoint(NOOP)')
  database.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0')
  // Each is closed behind the database only: POSIX drops SQLite's lock on a file when any descriptor of it is closed.
  const log = openSync(`${path}-wal`, 'r+')
  const pages = openSync(path, 'r+')
  let longAt = LONG_PAGES

  return {
    sync: () => onDisk(log, path),
    async shortenIfLong() {
      const pagesInLog = Number(length.get()?.['log'])
      if (pagesInLog < longAt) return
      const isCopied = copy(database)
      longAt = isCopied ? LONG_PAGES : pagesInLog + LONG_PAGES
      if (isCopied) await onDisk(pages, path)
    },
    close() {
      closeSync(log)
      closeSync(pages)
    },
  }
}

/**
 * What it copies is on disk already, and until the copy is, too, nothing is committed over it: SQLite need not wait for either.
 * @returns false where it could not, as on a full disk. Nothing is lost then: the log has it, and grows, as where SQLite copies by itself.
 */
function copy(database: DatabaseSync): boolean {
  database.exec('PRAGMA synchronous = OFF')
  try {
    database.exec('PRAGMA wal_checkpoint(PASSIVE)')
    return true
  } catch {
    return false
  } finally {
    database.exec('PRAGMA synchronous = NORMAL')
  }
}

/** A database in memory has no log. */
const OF_MEMORY: WriteAheadLog = { sync: async () => {}, shortenIfLong: async () => {}, close() {} }

function onDisk(file: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(file, (error) => {
      if (error === null) resolve()
      else
        reject(
          new StoreError('io', `the disk failed to keep what was written to ${path} (${error.message}); check the disk`, { cause: error }),
        )
    })
  })
}
