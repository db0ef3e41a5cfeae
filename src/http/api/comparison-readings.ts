import { isTerminal } from '#contract'
import type { Comparison } from '#contract'
import type { Compare } from '../../core/comparisons/compare.ts'
import type { Clock, Store } from '../../core/ports.ts'
import type { GenerationRecord } from '../../core/records.ts'
import { itsTurn } from '../../reading/turn-share.ts'
import { askedOrigin, currentKey } from '../request-context.ts'

/** A comparison and its generations at one moment. */
export interface ComparisonReading {
  /** Of the readings, which one it is. */
  readonly number: number
  readonly comparison: Comparison
  readonly records: readonly GenerationRecord[]
  /** JSON of the comparison or of one of its rows, made once for all. */
  readonly json: (part: object) => Uint8Array
}

export interface ReadingDependencies {
  readonly compare: Pick<Compare, 'show'>
  readonly store: Pick<Store, 'generation'>
  readonly clock: Pick<Clock, 'after'>
}

/** Long enough for a crowd to be answered from one reading, each in its turn. */
const KEPT_MS = 1_000

/**
 * Reads a comparison once for all who wait for it: hundreds hear of an end in the same moment, and each reading makes all of its generations anew.
 * Those share one that asked under the same origin, which links carry.
 */
export class ComparisonReadings {
  readonly #deps: ReadingDependencies
  /** Those that have not begun. */
  readonly #next = new Map<string, Promise<ComparisonReading | null>>()
  readonly #last = new Map<string, ComparisonReading>()
  #begun = 0

  constructor(deps: ReadingDependencies) {
    this.#deps = deps
  }

  /** As it is from now on: the reading has not begun. Null where the comparison is not there. */
  fresh(id: string): Promise<ComparisonReading | null> {
    const key = keyOf(id)
    const waiting = this.#next.get(key)
    if (waiting !== undefined) return waiting
    const next = itsTurn(0, currentKey()).then(() => {
      this.#next.delete(key)
      return this.#read(key, id)
    })
    this.#next.set(key, next)
    return next
  }

  /** The last one, where it shows the end of all of these generations; else a fresh one. */
  since(id: string, ended: ReadonlySet<string>): Promise<ComparisonReading | null> {
    const last = this.#last.get(keyOf(id))
    const isKnown = (generation: string): boolean =>
      last?.records.some((record) => record.id === generation && isTerminal(record.status)) === true
    return last !== undefined && [...ended].every(isKnown) ? Promise.resolve(last) : this.fresh(id)
  }

  /** Which reading was begun last, of any comparison. */
  get begun(): number {
    return this.#begun
  }

  /** The last one, where it was begun behind `number` and shows the end of all; else a fresh one. */
  endSince(id: string, number: number): Promise<ComparisonReading | null> {
    const last = this.#last.get(keyOf(id))
    const isEnd = last !== undefined && last.number > number && last.comparison.status !== 'running'
    return isEnd ? Promise.resolve(last) : this.fresh(id)
  }

  async #read(key: string, id: string): Promise<ComparisonReading | null> {
    const { compare, store, clock } = this.#deps
    const number = ++this.#begun
    const comparison = await compare.show(id)
    if (comparison === null) return null
    const records = await Promise.all(comparison.generations.map((generation) => store.generation(generation.id)))
    const reading = { number, comparison, records: records.filter((record) => record !== null), json: writtenOnce() }
    this.#last.set(key, reading)
    clock.after(KEPT_MS, () => {
      if (this.#last.get(key) === reading) this.#last.delete(key)
    })
    return reading
  }
}

const keyOf = (id: string): string => `${id} ${askedOrigin() ?? ''}`

function writtenOnce(): (part: object) => Uint8Array {
  const written = new WeakMap<object, Uint8Array>()
  return (part) => {
    const known = written.get(part)
    if (known !== undefined) return known
    const json = Buffer.from(JSON.stringify(part))
    written.set(part, json)
    return json
  }
}
