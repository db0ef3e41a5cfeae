import type { OutputFormat } from '#contract'
import { itsTurn } from '../../reading/turn-share.ts'
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
  showPartial({ id, key }: Pick<GenerationRecord, 'id' | 'key'>, view: () => PartialView | null): void
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
    notify: (record) => records.callAll(record, record, () => structuredClone(record)),
    watchPartials: (generationId, listener) => partials.add(generationId, listener),
    showPartial(of, view) {
      const partial = partials.of(of.id).size === 0 ? null : view()
      if (partial) partials.callAll(of, partial, () => partial)
    },
  }
}

/** So many are called at once: each answers its caller then, which takes two milliseconds of twenty images. */
const AT_ONCE = 4

type Listener<News> = (news: News) => void

/** By generation. */
class Listeners<News> {
  readonly #all = new Map<string, Set<Listener<News>>>()
  /** Those of a crowd who are called later, with the newest there is. */
  readonly #later = new Map<string, Map<Listener<News>, News>>()

  watched(): readonly string[] {
    return [...this.#all.keys()]
  }

  of(id: string): ReadonlySet<Listener<News>> {
    return this.#all.get(id) ?? NOBODY
  }

  add(id: string, listener: Listener<News>): () => void {
    const set = this.#all.get(id) ?? new Set()
    this.#all.set(id, set.add(listener))
    return () => {
      set.delete(listener)
      this.#later.get(id)?.delete(listener)
      if (set.size === 0 && this.#all.get(id) === set) this.#all.delete(id)
    }
  }

  /**
   * Thousands may wait for one generation, and all of them would be answered in one turn of the event loop: the first few are called at once, and
   * each of the others in a turn of the key.
   * @param kept the news as they stay while others wait for them
   */
  callAll({ id, key }: Pick<GenerationRecord, 'id' | 'key'>, news: News, kept: () => News): void {
    const listeners = this.of(id)
    const later = this.#later.get(id) ?? new Map<Listener<News>, News>()
    const isCalling = this.#later.has(id)
    let called = 0
    let copy: News | null = null
    for (const listener of listeners) {
      if (called === AT_ONCE || later.has(listener)) later.set(listener, (copy ??= kept()))
      else {
        called++
        listener(news)
      }
    }
    if (isCalling || later.size === 0) return
    this.#later.set(id, later)
    void this.#callLater(id, later, key ?? '')
  }

  async #callLater(id: string, later: Map<Listener<News>, News>, whose: string): Promise<void> {
    while (later.size > 0) {
      await itsTurn(0, whose)
      const [next] = later
      if (next === undefined) break
      const [listener, news] = next
      later.delete(listener)
      try {
        listener(news)
      } catch {
        // One caller's, who is answered once the wait is over; the others are called all the same.
      }
    }
    this.#later.delete(id)
  }
}

const NOBODY: ReadonlySet<never> = new Set<never>()
