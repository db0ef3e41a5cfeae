import type { GenerationRecord } from '../records.ts'

/** Those who wait for a generation: long polls and event streams. They come and go; the paid work never depends on them. */
export interface Watchers {
  /** Calls back after each change that is on disk. The returned function ends it. */
  watch(generationId: string, listener: (record: GenerationRecord) => void): () => void
  notify(record: GenerationRecord): void
}

export function createWatchers(): Watchers {
  const listeners = new Map<string, Set<(record: GenerationRecord) => void>>()
  return {
    watch(generationId, listener) {
      const set = listeners.get(generationId) ?? new Set()
      listeners.set(generationId, set.add(listener))
      return () => {
        set.delete(listener)
        if (set.size === 0 && listeners.get(generationId) === set) listeners.delete(generationId)
      }
    },
    notify(record) {
      for (const listener of listeners.get(record.id) ?? []) listener(record)
    },
  }
}
