import { QUOTE } from './json-position.ts'

export const BACKSLASH = 0x5c
/** Most strings end, and most escapes follow one another, within so many bytes: a call into native code would take longer. */
const NEAR_BYTES = 64
const NONE = Number.POSITIVE_INFINITY

/** Finds the quotes and backslashes in the strings of a piece, each native search once: long texts pass at the speed of memory. */
export class StringStops {
  #quote = -1
  #backslash = -1

  /** A new piece. */
  begin(): void {
    this.#quote = -1
    this.#backslash = -1
  }

  /** Where the next of them is from `from` on; `to` where there is none before it. */
  next(chunk: Buffer, from: number, to: number): number {
    const near = Math.min(to, from + NEAR_BYTES)
    for (let at = from; at < near; at += 1) {
      const byte = chunk[at]
      if (byte === QUOTE || byte === BACKSLASH) return at
    }
    if (near === to) return to
    if (this.#quote < near) this.#quote = found(chunk.indexOf(QUOTE, near))
    if (this.#backslash < near) this.#backslash = found(chunk.indexOf(BACKSLASH, near))
    return Math.min(to, this.#quote, this.#backslash)
  }
}

const found = (at: number): number => (at < 0 ? NONE : at)
