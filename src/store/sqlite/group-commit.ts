import type { DatabaseSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { StoreError } from '../../core/ports.ts'
import type { Change } from './change.ts'
import { failureOf } from './failure-of.ts'
import type { WriteAheadLog } from './write-ahead-log.ts'

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
  /** Resolves when nothing can be read that is not on disk; who reads awaits it first. */
  readonly onDisk: () => Promise<void>
  /** Writes what waits and takes nothing more. */
  readonly close: () => Promise<void>
}

/**
 * Writes the units of one turn of the event loop, or under load of a few, in one transaction, and then waits for the disk once, whatever their
 * number. Meanwhile the event loop goes on and the next group gathers, so groups grow with the load.
 *
 * A unit is refused by a check before it has written anything, so the usual group needs no savepoints. Only when a write itself fails is
 * the group rolled back and written again with a savepoint around each unit, so that the fault stays with its own.
 *
 * @param onLost hears that the disk failed to keep a transaction that is committed. Nobody can take it back, and it must not be answered as if
 *   it could: what was refused might be bought after the next start. So no unit is answered any more; the process has to end.
 */
export function groupCommit(database: DatabaseSync, log: WriteAheadLog, onLost: (error: unknown) => void): GroupCommit {
  const write = groupWriter(database)
  let queue: Waiting[] = []
  let writing: Promise<void> | null = null
  let syncing: Promise<void> | null = null
  let isClosed = false

  /** Waits for the next turn as long as each one brings more units: under load one sync serves many, in quiet it costs one empty turn. */
  const gathered = async (): Promise<readonly Waiting[]> => {
    let before = 0
    for (let turns = 0; turns < MOST_TURNS && queue.length > before; turns++) {
      if (turns > 0) before = queue.length
      await nextTurn()
    }
    const group = queue
    queue = []
    return group
  }

  const writeGroup = async (group: readonly Waiting[]): Promise<void> => {
    let verdicts: readonly Verdict[]
    try {
      verdicts = write(group)
    } catch (error) {
      const failure = failureOf(error) ?? error
      for (const unit of group) unit.reject(failure)
      return
    }
    syncing = log.sync()
    await syncing
    syncing = null
    for (const [index, unit] of group.entries()) {
      const verdict = verdicts[index] ?? null
      if (verdict === null) unit.resolve()
      else unit.reject(verdict.refused)
    }
    await log.shortenIfLong()
  }

  const writeAll = async (): Promise<void> => {
    while (queue.length > 0) await writeGroup(await gathered())
    writing = null
  }

  return {
    add(changes) {
      if (isClosed) return Promise.reject(new StoreError('closed', 'the store is closed; nothing was written'))
      return new Promise((resolve, reject) => {
        queue.push({ changes, resolve, reject })
        writing ??= writeAll().catch(onLost)
      })
    },
    async onDisk() {
      if (syncing !== null) await syncing
    },
    async close() {
      isClosed = true
      await writing
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
