import type { OutputFormat } from '#contract'
import type { GenerationRecord, Instant } from '../records.ts'

/** An image on its way, as the vendor shows it before the end: for those who watch at this moment, and nowhere kept. */
export interface PartialView {
  readonly at: Instant
  readonly provider: string
  /** The attempt's number among the generation's, from 1. */
  readonly attempt: number
  /** From 0, as the vendor counts. */
  readonly index: number
  readonly format: OutputFormat
  readonly base64: string
}

/** Those who wait for a generation: long polls and event streams. They come and go; the paid work never depends on them. */
export interface Watchers {
  /** Calls back after each change that is on disk. The returned function ends it. */
  watch(generationId: string, listener: (record: GenerationRecord) => void): () => void
  notify(record: GenerationRecord): void
  /** Calls back for each partial image from now on. The returned function ends it. */
  watchPartials(generationId: string, listener: (partial: PartialView) => void): () => void
  /** @param view makes it, null where it is none that can be shown; not called where nobody watches */
  showPartial(generationId: string, view: () => PartialView | null): void
  /** The generations that somebody waits for. */
  watched(): readonly string[]
  isWatched(generationId: string): boolean
}

export function createWatchers(): Watchers {
  const records = new Listeners<GenerationRecord>()
  const partials = new Listeners<PartialView>()
  return {
    watch: (generationId, listener) => records.add(generationId, listener),
    watched: () => records.watched(),
    isWatched: (generationId) => records.of(generationId).size > 0,
    notify(record) {
      for (const listener of records.of(record.id)) listener(record)
    },
    watchPartials: (generationId, listener) => partials.add(generationId, listener),
    showPartial(generationId, view) {
      const listeners = partials.of(generationId)
      if (listeners.size === 0) return
      const partial = view()
      if (partial) for (const listener of listeners) listener(partial)
    },
  }
}

/** By generation. */
class Listeners<News> {
  readonly #all = new Map<string, Set<(news: News) => void>>()

  watched(): readonly string[] {
    return [...this.#all.keys()]
  }

  of(id: string): ReadonlySet<(news: News) => void> {
    return this.#all.get(id) ?? NOBODY
  }

  add(id: string, listener: (news: News) => void): () => void {
    const set = this.#all.get(id) ?? new Set()
    this.#all.set(id, set.add(listener))
    return () => {
      set.delete(listener)
      if (set.size === 0 && this.#all.get(id) === set) this.#all.delete(id)
    }
  }
}

const NOBODY: ReadonlySet<never> = new Set<never>()
