import type { Clock } from '../ports.ts'
import type { Instant } from '../records.ts'

/**
 * The wall time as it would be without steps back: when it is set back, time goes on from where it was at the pace of the monotonic clock.
 * Set forward, it follows. So what is planned for later is never waited for longer than it was planned.
 */
export function runningClock(clock: Pick<Clock, 'now' | 'monotonicMs'>): () => Instant {
  let last = clock.now()
  let readAt = clock.monotonicMs()
  return () => {
    const monotonic = clock.monotonicMs()
    last = Math.max(clock.now(), Math.round(last + monotonic - readAt))
    readAt = monotonic
    return last
  }
}
