import { randomUUID, randomUUIDv7 } from 'node:crypto'
import type { Clock, Ids } from '../core/ports.ts'

export const CLOCK: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}

/** Ordered by time, then random: an id sorts by age and cannot be guessed. */
export const orderedId = (prefix: string): string => `${prefix}_${randomUUIDv7().replaceAll('-', '')}`

export const IDS: Ids = {
  generation: () => orderedId('gen'),
  attempt: () => orderedId('att'),
  image: () => orderedId('img'),
  task: () => randomUUID(),
}
