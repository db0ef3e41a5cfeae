import { backup } from 'node:sqlite'
import type { DatabaseSync } from 'node:sqlite'
import { flushFile } from '../flush.ts'

/** Few, since nobody can write while they are copied. */
const PAGES_AT_ONCE = 64

/**
 * Copies the open database into a new file, while it goes on being written; the copy is what it holds when the copying ends.
 * @throws where `path` cannot be written
 */
export async function copyDatabase(database: DatabaseSync, path: string): Promise<void> {
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
