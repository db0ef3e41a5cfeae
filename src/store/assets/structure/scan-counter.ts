import { AHEAD_BITS, bitsOf, type CodeTable, coveredOf, END_OF_BLOCK, HALF_BLOCK, longCode, LONGEST_CODE } from './code-table.ts'

/** The tables of one 8 × 8 block within a unit that is coded together. */
export interface BlockTables {
  readonly dc: CodeTable
  readonly ac: CodeTable
}

export interface Scan {
  /** In the order they are coded, for each minimum coded unit. */
  readonly blocks: readonly BlockTables[]
  readonly units: number
  /** Units between two restart markers; 0 where there are none. */
  readonly restartInterval: number
}

const COEFFICIENTS = 64
/** No block has more: as many of the longest codes with the longest values. */
const MOST_BLOCK_BYTES = COEFFICIENTS * 4
const AT_ONCE_BYTES = 32 * 1_024

/** What became of a scan: more bytes are needed; every unit is there; or not, and why. */
export type ScanState =
  | 'open'
  | 'complete'
  | 'ends early'
  | 'has bytes too many'
  | 'has a code that does not exist'
  | 'has a wrong restart marker'

/**
 * Coded bytes of one scan after another, without those that only say that a 0xFF is none of a marker: used within one call. Each is the lowest of a
 * word, above it the three before it, so that the bits from any byte on are one load.
 */
const coded = new Int32Array(AT_ONCE_BYTES + 2 * MOST_BLOCK_BYTES)

/**
 * Counts the coded units of one sequential JPEG scan. Only the lengths of codes and their values are read, no pixel is computed, which costs a
 * third of a decode. Bytes come in any pieces. https://www.w3.org/Graphics/JPEG/itu-t81.pdf, F.2.2
 */
export class ScanCounter {
  readonly #scan: Scan
  /** The marker behind the scan, once it has ended; 0 where it was given up before one. */
  marker = 0
  /** Coded bytes that may not hold a whole block, and how many bits of the first are read. */
  #rest: Uint8Array = new Uint8Array(0)
  #bit = 0
  /** The last byte was the first of a marker, or of a coded 0xFF. */
  #isMarkerBegun = false
  #state: ScanState = 'open'
  #unit = 0
  /** Where a restart marker must stand, or the end. */
  #lastUnit: number
  #block = 0
  #restarts = 0

  constructor(scan: Scan) {
    this.#scan = scan
    this.#lastUnit = scan.restartInterval === 0 ? scan.units : Math.min(scan.units, scan.restartInterval)
  }

  get state(): ScanState {
    return this.#state
  }

  /** Reads from `from` on. Returns where it stopped: behind the last byte, or behind the marker that ended the scan. */
  read(bytes: Uint8Array, from: number): number {
    let at = from
    while (this.#state === 'open' && at < bytes.length) {
      const { end, next } = this.#unstuff(bytes, at)
      at = next
      const read = this.#countBlocks(end * 8)
      if (this.#state === 'open' && this.marker !== 0) {
        this.#passMarker()
        continue
      }
      this.#rest = Uint8Array.from(coded.subarray(read >> 3, end))
      this.#bit = read & 7
    }
    return at
  }

  /** Up to a marker, the end of the bytes, or as many as are read at once. Any number of 0xFF may stand before a marker; one before a zero is data. */
  #unstuff(bytes: Uint8Array, from: number): { readonly end: number; readonly next: number } {
    let [next, end, word] = [from, 0, 0]
    for (const byte of this.#rest) coded[end++] = word = (word << 8) | byte
    while (next < bytes.length && end < AT_ONCE_BYTES) {
      let byte = bytes[next++] ?? 0
      if (this.#isMarkerBegun) {
        if (byte === 0xff) continue
        this.#isMarkerBegun = false
        if (byte !== 0) {
          this.marker = byte
          break
        }
        coded[end++] = word = (word << 8) | 0xff
        continue
      }
      const to = Math.min(bytes.length, next + AT_ONCE_BYTES - end)
      while (byte !== 0xff) {
        coded[end++] = word = (word << 8) | byte
        if (next >= to) break
        byte = bytes[next++] ?? 0
      }
      this.#isMarkerBegun = byte === 0xff
    }
    // Behind the last block a code would be read of zeros.
    for (let byte = 0; byte < MOST_BLOCK_BYTES; byte++) coded[end + byte] = word <<= 8
    return { end, next }
  }

  /**
   * Blocks until the restart interval is full, or the bytes may not hold another one. The one loop in which every code of an image is read: what it
   * needs are local variables, and bits are found by their position, since a branch that goes now one way, now the other costs more than a load.
   * @returns the bits that are read
   */
  #countBlocks(end: number): number {
    const { blocks } = this.#scan
    const last = this.marker === 0 ? end - MOST_BLOCK_BYTES * 8 : end
    let [bit, unit, block] = [this.#bit, this.#unit, this.#block]
    while (unit < this.#lastUnit && bit <= last) {
      const tables = blocks[block]
      if (tables === undefined) break
      const { dc, ac } = tables
      let found = 0
      let coefficient = 0
      let table = dc.first
      do {
        const window = windowAt(bit)
        found = table[window >>> UNUSED_BITS] || longCode(coefficient === 0 ? dc : ac, window >>> 16)
        if (found === 0) break
        let used = bitsOf(found)
        coefficient += coveredOf(found)
        table = coefficient <= HALF_BLOCK ? ac.several : ac.first
        if (coefficient < COEFFICIENTS && used <= WINDOW_BITS - AHEAD_BITS) {
          // What is 0 is read by the next window.
          const next = table[(window << used) >>> UNUSED_BITS] ?? 0
          used += bitsOf(next)
          coefficient += coveredOf(next)
          table = coefficient <= HALF_BLOCK ? ac.several : ac.first
        }
        bit += used
      } while (coefficient < COEFFICIENTS)
      const doesExist = found !== 0 && (coefficient === COEFFICIENTS || coefficient >= END_OF_BLOCK)
      if (bit > end || (!doesExist && bit + LONGEST_CODE > end)) this.#state = 'ends early'
      else if (!doesExist) this.#state = 'has a code that does not exist'
      if (this.#state !== 'open') break
      block++
      if (block === blocks.length) [block, unit] = [0, unit + 1]
    }
    if (unit < this.#lastUnit && this.marker !== 0 && this.#state === 'open') this.#state = 'ends early'
    if (unit === this.#lastUnit && end - bit >= 8) this.#state = 'has bytes too many'
    ;[this.#unit, this.#block] = [unit, block]
    return bit
  }

  /** Eight restart markers follow one another in turn; behind the last unit stands any other marker. */
  #passMarker(): void {
    const { units, restartInterval } = this.#scan
    const isRestart = this.marker >= 0xd0 && this.marker <= 0xd7
    if (this.#unit === units) this.#state = isRestart ? 'has a wrong restart marker' : 'complete'
    else if (!isRestart) this.#state = 'ends early'
    else if (this.marker - 0xd0 !== this.#restarts % 8) this.#state = 'has a wrong restart marker'
    else {
      this.#restarts++
      this.#lastUnit = Math.min(units, this.#lastUnit + restartInterval)
      this.marker = 0
      this.#rest = new Uint8Array(0)
      this.#bit = 0
      this.#isMarkerBegun = false
    }
  }
}

/** Bits of a window that are there wherever in a byte it begins. */
const WINDOW_BITS = 25
const UNUSED_BITS = 32 - AHEAD_BITS

/** The bits from a position on, in the highest bits of 32. */
const windowAt = (bit: number): number => (coded[(bit >> 3) + 3] ?? 0) << (bit & 7)
