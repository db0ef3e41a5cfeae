import type { Clock, Ids, Store } from '../core/ports.ts'
import { newUuid, orderedId } from '../core/new-id.ts'

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

export const IDS: Ids = {
  generation: () => orderedId('gen'),
  attempt: () => orderedId('att'),
  image: () => orderedId('img'),
  task: newUuid,
}
