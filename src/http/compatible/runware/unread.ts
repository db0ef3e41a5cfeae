import type { Release, Taken } from '../../limits/limits.ts'

/** As little as is not worth counting of a body either. */
const STEP_BYTES = 64 * 1_024

export interface Unread {
  /** Counts as much as waits now; false where that is more than may wait. */
  count(): boolean
  /** Nobody reads it any more. */
  end(): void
}

/**
 * Counts what waits for the other side of a connection among the bytes on their way: thousands of connections that read nothing are each within
 * what one may leave unread, and together would fill the memory.
 */
export function countUnread(unreadBytes: () => number, take: (bytes: number) => Taken): Unread {
  const counted: Release[] = []
  const keep = (steps: number): void => {
    while (counted.length > steps) counted.pop()?.()
  }
  return {
    count() {
      const steps = Math.floor(unreadBytes() / STEP_BYTES)
      keep(steps)
      while (counted.length < steps) {
        const taken = take(STEP_BYTES)
        if (taken.kind === 'refused') return false
        counted.push(taken.release)
      }
      return true
    },
    end: () => keep(0),
  }
}
