import { rm, writeFile } from 'node:fs/promises'
import { backup } from 'node:sqlite'
import type { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { flushFile } from '../flush.ts'
import { OWN_FILE } from '../own-modes.ts'
import { resultCodeOf } from './failure-of.ts'

/** Few, since nobody can write while they are copied. */
const PAGES_AT_ONCE = 64

/** A group of writes takes milliseconds; a disk that hangs takes longer than anybody waits for a backup. */
const TRIES = 200
const BETWEEN_TRIES_MS = 25

/**
 * Copies the open database into a new file, while it goes on being written; the copy is what it holds when the copying ends. It holds the same
 * secrets, and is this user's alone from its first byte on: SQLite keeps the mode of a file that is there, and gives it to its journal.
 * @throws where `path` cannot be written
 */
export async function copyDatabase(database: DatabaseSync, path: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await copyOnce(database, path)
      return
    } catch (error) {
      if (tries === TRIES || !wasBeingWritten(error)) throw error
      await rm(path, { force: true })
      await sleep(BETWEEN_TRIES_MS)
    }
  }
}

/**
 * Whether the first step met an open transaction of this connection. Node waits for its end at each later step, but at the first one it
 * rejects, and with the code of success, 0: it asks SQLite how many pages remain, which that step has not counted yet.
 */
const wasBeingWritten = (error: unknown): boolean => resultCodeOf(error) === 0

async function copyOnce(database: DatabaseSync, path: string): Promise<void> {
  await writeFile(path, '', { flag: 'wx', mode: OWN_FILE })
  let isFlushing = false
  let lastFlush = Promise.resolve()
  await backup(database, path, {
    rate: PAGES_AT_ONCE,
    progress() {
      if (isFlushing) return
      isFlushing = true
      // The last step waits for the disk while nobody can write; for what is flushed before, it does not wait. A full disk fails that step too.
      lastFlush = flushFile(path)
        .catch(() => {})
        .finally(() => {
          isFlushing = false
        })
    },
  })
  await lastFlush
}
