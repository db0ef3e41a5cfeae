import { isTerminal } from '#contract'
import type { GenerationRecord } from '../../core/records.ts'
import type { AppDependencies } from '../app.ts'

/** Calls back once with the generation when it has ended, at once where it already has. */
export function whenEnded(
  { run, store, log }: Pick<AppDependencies, 'run' | 'store' | 'log'>,
  id: string,
  callback: (record: GenerationRecord) => void,
): void {
  let isTold = false
  const look = (record: GenerationRecord | null): void => {
    if (isTold || record === null || !isTerminal(record.status)) return
    isTold = true
    stop()
    callback(record)
  }
  const stop = run.watch(id, look)
  // It may have ended before the watch began.
  store.generation(id).then(look, (error: unknown) => log.error({ generation: id, err: error }, 'a generation could not be read'))
}
