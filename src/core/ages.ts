import type { Ages, Clock } from './ports.ts'
import type { Instant } from './records.ts'

/** The clock was set forward. */
interface Leap {
  /** What it said just before. */
  readonly at: Instant
  readonly ms: number
}

/** Less is the pace at which a clock is adjusted, or the time until it is read again. */
const LEAST_LEAP_MS = 60_000
const MOST_LEAPS = 100

/**
 * By the wall clock, so that a restart changes nothing, but a step forward while the process runs makes nothing old at once: neither one to a
 * wrong time, nor that of a machine that began with a clock that was behind. Where a step back undoes it, it never was.
 */
export function agesOf(clock: Pick<Clock, 'now' | 'monotonicMs'>): Ages {
  let leaps: readonly Leap[] = []
  let seen = { at: clock.now(), ms: clock.monotonicMs() }

  function read(): Instant {
    const now = clock.now()
    const ms = clock.monotonicMs()
    const expected = seen.at + ms - seen.ms
    const leapMs = now - expected
    if (leapMs >= LEAST_LEAP_MS) leaps = [...leaps.slice(1 - MOST_LEAPS), { at: expected, ms: leapMs }]
    if (leapMs <= -LEAST_LEAP_MS) leaps = undone(leaps, -leapMs)
    seen = { at: now, ms }
    return now
  }

  return {
    now: read,
    of: (instant) => read() - instant - leaps.reduce((total, { at, ms }) => (at >= instant ? total + ms : total), 0),
  }
}

/** The newest leaps are taken back first. */
function undone(leaps: readonly Leap[], byMs: number): readonly Leap[] {
  const last = leaps.at(-1)
  if (last === undefined) return leaps
  const before = leaps.slice(0, -1)
  return last.ms > byMs ? [...before, { ...last, ms: last.ms - byMs }] : undone(before, byMs - last.ms)
}
