import { isTerminal } from '#contract'
import type { GenerationRecord } from '../records.ts'
import type { Core } from './open-generation.ts'

/** Callers that wait for the end of a generation. They come and go; the paid work never depends on them. */
export interface Waiting {
  /** The generation once it has ended or `timeoutMs` is over, as it is on disk; null where there is none. */
  wait(id: string, timeoutMs: number): Promise<GenerationRecord | null>
  /** Answers everybody now, with the generation as it is. */
  dismissAll(): void
}

export function createWaiting(core: Core): Waiting {
  const dismissals = new Set<() => void>()

  async function wait(id: string, timeoutMs: number): Promise<GenerationRecord | null> {
    const { store } = core.ports
    const isOpen = core.open.has(id)
    const found = isOpen ? null : await store.generation(id)
    if (!isOpen && (found === null || isTerminal(found.status))) return found
    return new Promise((resolve, reject) => {
      let isFinished = false
      const finish = (record: GenerationRecord | null) => {
        if (isFinished) return
        isFinished = true
        stopWatching()
        stopTimer()
        dismissals.delete(dismiss)
        if (record) resolve(record)
        else store.generation(id).then(resolve, reject)
      }
      const stopWatching = core.watchers.watch(id, (record) => {
        if (isTerminal(record.status)) finish(record)
      })
      const stopTimer = core.schedule(timeoutMs, () => finish(null))
      const dismiss = () => finish(null)
      dismissals.add(dismiss)
      if (core.open.has(id)) return
      // It may have ended since it was read. Elsewhere it may be open still, and what is said of it from now on is heard.
      if (store.nodes === undefined) finish(null)
      else void store.generation(id).then((now) => (now === null || isTerminal(now.status) ? finish(now) : undefined), reject)
    })
  }

  return {
    wait,
    dismissAll() {
      for (const dismiss of dismissals) dismiss()
    },
  }
}
