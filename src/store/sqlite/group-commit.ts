import type { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../../core/ports.ts'
import type { Change } from './change.ts'
import { failureOf } from './failure-of.ts'

interface Waiting {
  readonly changes: readonly Change[]
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** No unit waits longer than this many turns of the event loop for its commit. */
const MOST_TURNS = 8

/** A refusal of one unit; `null` where it was written. */
type Verdict = { readonly refused: unknown } | null

export interface GroupCommit {
  /** Resolves when the changes are on disk; rejects with the unit's own error, or with a `StoreError` where the disk failed. */
  readonly add: (changes: readonly Change[]) => Promise<void>
  /** Writes what waits and takes nothing more. */
  readonly close: () => void
}

/**
 * Writes the units of one turn of the event loop, or under load of a few, in one transaction: a single fsync, whatever their number. While
 * it blocks, the next turn's work gathers, so groups grow with the load.
 *
 * A unit is refused by a check before it has written anything, so the usual group needs no savepoints. Only when a write itself fails is
 * the group rolled back and written again with a savepoint around each unit, so that the fault stays with its own.
 */
export function groupCommit(database: DatabaseSync): GroupCommit {
  const write = groupWriter(database)
  let queue: Waiting[] = []
  let isClosed = false

  const flush = (): void => {
    const group = queue
    queue = []
    if (group.length === 0) return
    let verdicts: readonly Verdict[]
    try {
      verdicts = write(group)
    } catch (error) {
      const failure = failureOf(error) ?? error
      for (const unit of group) unit.reject(failure)
      return
    }
    for (const [index, unit] of group.entries()) {
      const verdict = verdicts[index] ?? null
      if (verdict === null) unit.resolve()
      else unit.reject(verdict.refused)
    }
  }

  /** Waits for the next turn as long as each one brings more units: under load one fsync serves many, in quiet it costs one empty turn. */
  const gather = (before: number, turns: number): void => {
    if (queue.length > before && turns < MOST_TURNS) setImmediate(gather, queue.length, turns + 1)
    else flush()
  }

  return {
    add(changes) {
      if (isClosed) return Promise.reject(new StoreError('closed', 'the store is closed; nothing was written'))
      return new Promise((resolve, reject) => {
        queue.push({ changes, resolve, reject })
        if (queue.length === 1) setImmediate(gather, 0, 1)
      })
    },
    close() {
      isClosed = true
      flush()
    },
  }
}

/** Writes a group in one transaction, and answers for each unit. Throws where the disk failed: then none of them was written. */
function groupWriter(database: DatabaseSync): (group: readonly Waiting[]) => readonly Verdict[] {
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')

  const inTransaction = <T>(work: () => T): T => {
    begin.run()
    try {
      const result = work()
      commit.run()
      return result
    } catch (error) {
      // A full disk may have ended the transaction already.
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  return (group) => {
    try {
      return inTransaction(() => group.map(writePlain))
    } catch (error) {
      if (failureOf(error) !== null) throw error
      return inTransaction(() => group.map((unit) => writeIsolated(database, unit)))
    }
  }
}

function writePlain({ changes }: Waiting): Verdict {
  try {
    for (const change of changes) change.check?.()
  } catch (refused) {
    return refusal(refused)
  }
  for (const change of changes) change.apply()
  return null
}

function writeIsolated(database: DatabaseSync, { changes }: Waiting): Verdict {
  database.exec('SAVEPOINT unit')
  try {
    for (const change of changes) change.check?.()
    for (const change of changes) change.apply()
    database.exec('RELEASE unit')
    return null
  } catch (refused) {
    const verdict = refusal(refused)
    if (!database.isTransaction) throw refused
    database.exec('ROLLBACK TO unit; RELEASE unit')
    return verdict
  }
}

/** A fault of the disk is everybody's and ends the group; any other is the unit's own. */
function refusal(error: unknown): Verdict {
  if (failureOf(error) !== null) throw error
  return { refused: error }
}
