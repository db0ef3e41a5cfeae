import { randomUUID, randomUUIDv7 } from 'node:crypto'
import type { Clock, Ids } from '../core/ports.ts'
import { steadyClock } from '../core/steady-clock.ts'

export const CLOCK: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}

/** Judges ages: whatever becomes of the wall clock, nothing is old before its time. */
export const STEADY_CLOCK: Clock = { ...CLOCK, now: steadyClock(CLOCK) }

/** Ordered by time, then random: an id sorts by age and cannot be guessed. */
export const orderedId = (prefix: string): string => `${prefix}_${randomUUIDv7().replaceAll('-', '')}`

export const IDS: Ids = {
  generation: () => orderedId('gen'),
  attempt: () => orderedId('att'),
  image: () => orderedId('img'),
  task: () => randomUUID(),
}
