import { isTerminal } from '#contract'
import { amongMany } from '../../reading/turn-share.ts'
import { StoreError } from '../ports.ts'
import type { GenerationRecord } from '../records.ts'
import type { Core, OpenGeneration } from './open-generation.ts'

/** So long a store that says nothing is waited for where its answer is known: callers sit behind proxies that give up after 60 s. */
const SILENCE_MS = 2_000

/** Callers that wait for the end of a generation. They come and go; the paid work never depends on them. */
export interface Waiting {
  /** The generation once it has ended or `timeoutMs` is over, as it is on disk; null where there is none. */
  wait(id: string, timeoutMs: number): Promise<GenerationRecord | null>
  /** Answers everybody now, with the generation as it is, and from now on whoever would wait: nobody would answer them later. */
  dismissAll(): void
}

export function createWaiting(core: Core): Waiting {
  const dismissals = new Set<() => void>()
  let isOver = false
  const { store } = core.ports

  /**
   * As it is on disk. What is open here is under way, whether the store answers or not: a caller who gets an error sends the request once more,
   * and both are bought.
   */
  async function read(id: string, open: OpenGeneration | undefined = core.open.get(id)): Promise<GenerationRecord | null> {
    const reading = store.generation(id)
    if (open?.isOnDisk !== true) return reading
    const silence = Promise.withResolvers<GenerationRecord>()
    const timer = core.schedule(SILENCE_MS, () => silence.resolve(underWay(open.record)))
    try {
      return await Promise.race([reading, silence.promise])
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      return underWay(open.record)
    } finally {
      timer.end()
    }
  }

  async function wait(id: string, timeoutMs: number): Promise<GenerationRecord | null> {
    if (timeoutMs <= 0 || isOver) return read(id)
    const open = core.open.get(id)
    // Canceled while its submit is out: its attempt goes on, and the caller is not to wait for that.
    const isUnderWay = open !== undefined && !isTerminal(open.record.status)
    if (!isUnderWay) {
      const found = await read(id, open)
      if (found === null || isTerminal(found.status)) return found
    }
    return new Promise((resolve, reject) => {
      let isFinished = false
      const finish = (record: GenerationRecord | null) => {
        if (isFinished) return
        isFinished = true
        stopWatching()
        timer.end()
        dismissals.delete(dismiss)
        if (record) resolve(record)
        else read(id, open).then(resolve, reject)
      }
      const stopWatching = core.watchers.watch(id, (record) => {
        if (isTerminal(record.status)) finish(record)
      })
      const timer = core.schedule(timeoutMs, () => void amongMany(open?.record.key ?? '', () => finish(null)))
      const dismiss = () => finish(null)
      dismissals.add(dismiss)
      if (isUnderWay && core.open.has(id)) return
      // It may have ended since it was read. Elsewhere it may be open still, and what is said of it from now on is heard.
      if (store.nodes === undefined && !core.open.has(id)) finish(null)
      else void read(id, open).then((now) => (now === null || isTerminal(now.status) ? finish(now) : undefined), reject)
    })
  }

  return {
    wait,
    dismissAll() {
      isOver = true
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
