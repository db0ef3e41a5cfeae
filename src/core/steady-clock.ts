import type { Clock } from './ports.ts'
import type { Instant } from './records.ts'

/**
 * The wall time of the start, carried on by the monotonic clock: what may be forgotten or deleted by its age is judged by it, so that a wall
 * clock that is set forward by years does not make everything old at once.
 */
export function steadyClock(clock: Pick<Clock, 'now' | 'monotonicMs'>): () => Instant {
  const startedAt = clock.now()
  const startedMs = clock.monotonicMs()
  return () => startedAt + Math.round(clock.monotonicMs() - startedMs)
}
