import type { Clock } from '../ports.ts'

const TICK_MS = 20

/** One timer for everything that waits. An entry costs a slot in a map, not a pending promise. */
export interface Wheel {
  /** Calls back once, at or at most a tick after `delayMs`; the returned function takes it back. */
  schedule(delayMs: number, callback: () => void): () => void
  readonly size: number
  /** Calls nobody back any more. */
  stop(): void
}

export function createWheel(clock: Clock): Wheel {
  const buckets = new Map<number, Set<() => void>>()
  let size = 0
  let nextTick = 0
  let ticking = false
  let isStopped = false

  function tick(): void {
    if (isStopped) return
    const now = Math.floor(clock.now() / TICK_MS)
    while (nextTick <= now) {
      const due = buckets.get(nextTick)
      buckets.delete(nextTick)
      // Moved on first, so that what a callback schedules for at once lands in a bucket still to come.
      nextTick++
      for (const callback of due ?? []) {
        due?.delete(callback)
        size--
        callback()
      }
    }
    ticking = size > 0
    if (ticking) clock.after(TICK_MS, tick)
  }

  return {
    schedule(delayMs, callback) {
      const now = clock.now()
      if (!ticking) {
        ticking = true
        nextTick = Math.floor(now / TICK_MS)
        clock.after(TICK_MS, tick)
      }
      const slot = Math.max(nextTick, Math.ceil((now + Math.max(0, delayMs)) / TICK_MS))
      const bucket = buckets.get(slot) ?? new Set()
      buckets.set(slot, bucket)
      // A fresh closure, so that the same callback may be scheduled twice.
      const entry = () => callback()
      bucket.add(entry)
      size++
      return () => {
        if (bucket.delete(entry)) size--
      }
    },
    get size() {
      return size
    },
    stop() {
      isStopped = true
    },
  }
}
