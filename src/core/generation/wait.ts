import { isTerminal } from '#contract'
import { StoreError } from '../ports.ts'
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
  const { store } = core.ports

  /**
   * As it is on disk. What is open here is under way, whether the store answers or not: a caller who gets an error sends the request once more,
   * and both are bought.
   */
  async function read(id: string): Promise<GenerationRecord | null> {
    try {
      return await store.generation(id)
    } catch (error) {
      const open = core.open.get(id)
      if (!(error instanceof StoreError) || open?.isOnDisk !== true) throw error
      return underWay(open.record)
    }
  }

  async function wait(id: string, timeoutMs: number): Promise<GenerationRecord | null> {
    if (timeoutMs <= 0) return read(id)
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
        else read(id).then(resolve, reject)
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

/** What came of it meanwhile is on no disk yet, and is not shown. */
const underWay = (record: GenerationRecord): GenerationRecord => ({
  ...record,
  ...(isTerminal(record.status) ? { status: 'running', completedAt: null, error: null } : {}),
  images: [],
})
