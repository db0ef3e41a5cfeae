import { setTimeout as sleep } from 'node:timers/promises'
import type { GroupCommit } from './group-commit.ts'

/** Between two batches, so that a long way to catch up takes no time that others need. */
const PAUSE_MS = 25

/** Tables that are made from others, and follow them at a distance. */
export interface FedBehind {
  /** So many rows that have to be fed are being written. */
  noteWritten(rows: number): void
  /** Feeds until all is fed that was written before, in turns. Where the disk refuses, some is not. */
  feed(): Promise<void>
}

export interface Feeding {
  /** Feeds the next rows within a transaction, a few milliseconds of work, and returns whether more may be left. */
  readonly feedBatch: () => boolean
  /** It begins by itself after so many rows. */
  readonly after: number
}

/** Feeds in batches, away from the writes that callers wait for: one transaction for many rows costs a small part of one for each. */
export function fedBehind(group: Pick<GroupCommit, 'add'>, { feedBatch, after }: Feeding): FedBehind {
  let behind = 0
  let feeding: Promise<void> | null = null

  async function feedAll(): Promise<void> {
    let mayGoOn = false
    const apply = (): void => {
      mayGoOn = feedBatch()
    }
    try {
      for (;;) {
        await group.add([{ apply }])
        if (!mayGoOn) return
        await sleep(PAUSE_MS, undefined, { ref: false })
      }
    } catch {
      // The disk refuses, or the store is closed: what is not fed yet is fed by a later try.
    }
  }

  const feed = (): Promise<void> => {
    behind = 0
    feeding ??= feedAll().finally(() => {
      feeding = null
    })
    return feeding
  }

  return {
    noteWritten(rows) {
      behind += rows
      if (behind >= after) void feed()
    },
    feed,
  }
}
