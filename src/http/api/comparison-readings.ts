import { randomBytes } from 'node:crypto'
import { isTerminal } from '#contract'
import type { Comparison } from '#contract'
import type { Compare } from '../../core/comparisons/compare.ts'
import type { Clock, Store } from '../../core/ports.ts'
import type { GenerationRecord } from '../../core/records.ts'
import { amongMany, itsTurn } from '../../reading/turn-share.ts'
import { currentKey, whileKeyCounts, workAskedAt } from '../request-context.ts'

/** A comparison and its generations at one moment. */
export interface ComparisonReading {
  /** Of the readings, which one it is. */
  readonly number: number
  readonly comparison: Comparison
  readonly records: readonly GenerationRecord[]
  /** JSON of the comparison or of one of its rows, made once for all; links carry the origin under which this caller asked. */
  readonly json: (part: object) => Uint8Array
}

export interface ReadingDependencies {
  readonly compare: Pick<Compare, 'show' | 'untilEnd'>
  readonly store: Pick<Store, 'generation'>
  readonly clock: Pick<Clock, 'after'>
  /** For links of this request. */
  readonly publicUrl: () => string
}

/** Long enough for a crowd to be answered from one reading, each in its turn. */
const KEPT_MS = 1_000

/** Stands in links for the origin of whoever is answered. Nobody knows it, so no prompt has it. */
const ANY_ORIGIN = `http://${randomBytes(16).toString('hex')}.invalid`

/**
 * Reads a comparison once for all who wait for it, whatever host they have asked: hundreds hear of an end in the same moment, and each reading makes
 * all of its generations anew.
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
    const waiting = this.#next.get(id)
    if (waiting !== undefined) return waiting
    const next = itsTurn(0, currentKey()).then(() => {
      this.#next.delete(id)
      return workAskedAt(new URL(ANY_ORIGIN), () => this.#read(id))
    })
    this.#next.set(id, next)
    return next
  }

  /** The last one, where it shows the end of all of these generations; else a fresh one. */
  since(id: string, ended: ReadonlySet<string>): Promise<ComparisonReading | null> {
    const last = this.#last.get(id)
    const isKnown = (generation: string): boolean =>
      last?.records.some((record) => record.id === generation && isTerminal(record.status)) === true
    return last !== undefined && [...ended].every(isKnown) ? Promise.resolve(last) : this.fresh(id)
  }

  /**
   * Once all have ended or `waitMs` is over, in the turn of this caller and as long as its key counts: one that was begun behind the call.
   * @throws HttpProblem `unauthorized` once it does not
   */
  atEnd(id: string, waitMs: number): Promise<ComparisonReading | null> {
    return whileKeyCounts(this.#inItsTurn(id, waitMs))
  }

  async #inItsTurn(id: string, waitMs: number): Promise<ComparisonReading | null> {
    const before = this.#begun
    if (waitMs > 0) await this.#deps.compare.untilEnd(id, waitMs)
    const last = this.#last.get(id)
    const isEnd = last !== undefined && last.number > before && last.comparison.status !== 'running'
    const reading = isEnd ? last : await this.fresh(id)
    await amongMany(currentKey(), () => {})
    return reading
  }

  async #read(id: string): Promise<ComparisonReading | null> {
    const { compare, store, clock, publicUrl } = this.#deps
    const number = ++this.#begun
    const comparison = await compare.show(id)
    if (comparison === null) return null
    const records = await Promise.all(comparison.generations.map((generation) => store.generation(generation.id)))
    const reading = { number, comparison, records: records.filter((record) => record !== null), json: writtenOnce(publicUrl) }
    this.#last.set(id, reading)
    clock.after(KEPT_MS, () => {
      if (this.#last.get(id) === reading) this.#last.delete(id)
    })
    return reading
  }
}

function writtenOnce(publicUrl: () => string): ComparisonReading['json'] {
  const written = new WeakMap<object, SharedJson>()
  return (part) => {
    const json = written.get(part) ?? new SharedJson(part)
    written.set(part, json)
    return json.under(publicUrl())
  }
}

/** Written once, and for each origin put together from the same pieces. */
class SharedJson {
  readonly #pieces: readonly Buffer[]
  /** Nearly all ask under the same. */
  #last: { readonly origin: string; readonly json: Buffer } | null = null

  constructor(part: object) {
    this.#pieces = JSON.stringify(part)
      .split(ANY_ORIGIN)
      .map((piece) => Buffer.from(piece))
  }

  under(origin: string): Buffer {
    const hasLinks = this.#pieces.length > 1
    if (this.#last !== null && (this.#last.origin === origin || !hasLinks)) return this.#last.json
    const between = Buffer.from(origin)
    const json = Buffer.concat(this.#pieces.flatMap((piece, index) => (index === 0 ? [piece] : [between, piece])))
    this.#last = { origin, json }
    return json
  }
}
