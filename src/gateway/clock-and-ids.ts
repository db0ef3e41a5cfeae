import type { Clock, Ids, Store } from '../core/ports.ts'
import { newUuid, orderedId } from '../core/new-id.ts'
import { steadyClock } from '../core/steady-clock.ts'

export const CLOCK: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}

/** Gateways that share a store have one wall time, its own, whatever the clocks of their machines say. */
export const clockOf = ({ nodes }: Pick<Store, 'nodes'>): Clock => (nodes ? { ...CLOCK, now: nodes.now } : CLOCK)

/** Judges ages: whatever becomes of the wall clock, nothing is old before its time. */
export const steady = (clock: Clock): Clock => ({ ...clock, now: steadyClock(clock) })

export const IDS: Ids = {
  generation: () => orderedId('gen'),
  attempt: () => orderedId('att'),
  image: () => orderedId('img'),
  task: newUuid,
}
