import type { Clock, Log, Store } from '../core/ports.ts'
import { everyHour } from './every-hour.ts'
import type { Hourly } from './every-hour.ts'

export interface AddingUpDependencies extends Pick<Hourly, 'isTurn'> {
  readonly store: Pick<Store, 'addUpDay'>
  readonly clock: Pick<Clock, 'now' | 'after'>
  readonly log: Pick<Log, 'error'>
}

/** Adds up the days that are over, now and every hour, so that reports need not read each line of them. The returned function stops it. */
export function startAddingUp({ store, clock, log, isTurn }: AddingUpDependencies): () => Promise<void> {
  const stopping = new AbortController()
  const stop = everyHour({
    clock,
    ...(isTurn ? { isTurn } : {}),
    async work() {
      let mayGoOn = true
      while (mayGoOn) mayGoOn = await store.addUpDay(clock.now(), stopping.signal)
    },
    onFailed(error) {
      if (stopping.signal.aborted) return
      log.error({ error }, 'days could not be added up for reports of costs; the next try is in an hour')
    },
  })
  return () => {
    stopping.abort()
    return stop()
  }
}
