import { StoreError } from '../../core/ports.ts'

/** Of a statement: what it names is not there, or what it reads is not what was written. */
const statementError = 1

/** SQLite's primary result codes that blame the disk or the file, not the statement. https://www.sqlite.org/rescode.html */
const perm = 3
const readonly = 8
const ioError = 10
const corrupt = 11
const full = 13
const cantOpen = 14
const notADatabase = 26

/** SQLite's primary result code, or null where the error is not SQLite's. */
export function resultCodeOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null
  return error.errcode & 0xff
}

/** What an error of the disk or the file means, in our words; null where it is the statement's own (a constraint, a wrong value). */
export function failureOf(error: unknown): StoreError | null {
  const reason = error instanceof Error ? error.message : String(error)
  switch (resultCodeOf(error)) {
    case full:
      return new StoreError('full', `the disk that holds the database is full; nothing was written; free some space (${reason})`, {
        cause: error,
      })
    case ioError:
    case readonly:
    case perm:
    case cantOpen:
      return new StoreError('io', `the database cannot be read or written; check the data folder's disk and permissions (${reason})`, {
        cause: error,
      })
    case corrupt:
    case notADatabase:
      return damaged(error)
    default:
      return null
  }
}

/**
 * Why something could not be read, or its statement be prepared, in our words. The tables and all that is in them are our own: where one is not
 * there, or its JSON is none, the file is damaged.
 */
export function readFailure(error: unknown): unknown {
  if (error instanceof StoreError) return error
  const isDamaged = resultCodeOf(error) === statementError || error instanceof SyntaxError
  return failureOf(error) ?? (isDamaged ? damaged(error) : error)
}

const damaged = (error: unknown): StoreError => {
  const reason = error instanceof Error ? error.message : String(error)
  return new StoreError('damaged', `the database file is damaged; restore it from a backup (${reason})`, { cause: error })
}
