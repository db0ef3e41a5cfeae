/** The bits of a lossless WebP, the lowest of each byte first; behind the end they are zeros. */
export class Bits {
  readonly #bytes: Buffer
  #at: number
  #bit = 0

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.#at = at
  }

  get areOver(): boolean {
    return this.#at >= this.#bytes.length
  }

  one(): number {
    const bit = ((this.#bytes[this.#at] ?? 0) >> this.#bit) & 1
    this.#bit = (this.#bit + 1) & 7
    if (this.#bit === 0) this.#at += 1
    return bit
  }

  many(count: number): number {
    let value = 0
    for (let at = 0; at < count; at += 1) value |= this.one() << at
    return value
  }
}

const LONGEST_CODE = 15

/** A canonical prefix code of a lossless WebP. One that is none is read as something: its decoder refuses the image. */
export class PrefixCode {
  /** The one symbol that there is, which takes no bits; null where there are more. */
  readonly only: number | null
  /** How many codes there are of each length. */
  readonly #counts = new Uint16Array(LONGEST_CODE + 1)
  readonly #symbols: Uint16Array

  /** @param lengths of the code of each symbol, 0 where it has none */
  constructor(lengths: Uint8Array) {
    const used = [...lengths.keys()].filter((symbol) => lengths[symbol] !== 0)
    this.only = used.length > 1 ? null : (used[0] ?? 0)
    const lengthOf = (symbol: number): number => lengths[symbol] ?? 0
    for (const symbol of used) this.#counts[lengthOf(symbol)] = (this.#counts[lengthOf(symbol)] ?? 0) + 1
    this.#symbols = Uint16Array.from(used.toSorted((one, other) => lengthOf(one) - lengthOf(other) || one - other))
  }

  read(bits: Bits): number {
    if (this.only !== null) return this.only
    let code = 0
    let first = 0
    let before = 0
    for (let length = 1; length <= LONGEST_CODE; length += 1) {
      code = (code << 1) | bits.one()
      const count = this.#counts[length] ?? 0
      if (code < first + count) return this.#symbols[before + code - first] ?? 0
      before += count
      first = (first + count) << 1
    }
    return 0
  }
}

/** In the order in which the lengths of codes of lengths are written. */
const LENGTHS_IN_ORDER = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]

/** As a lossless WebP writes it. https://developers.google.com/speed/webp/docs/webp_lossless_bitstream_specification#62_details */
export function readPrefixCode(bits: Bits, symbols: number): PrefixCode {
  const lengths = new Uint8Array(symbols)
  if (bits.one() === 1) {
    const hasTwo = bits.one() === 1
    lengths[bits.many(bits.one() === 1 ? 8 : 1)] = 1
    if (hasTwo) lengths[bits.many(8)] = 1
    return new PrefixCode(lengths)
  }
  const ofLengths = new Uint8Array(LENGTHS_IN_ORDER.length)
  for (const length of LENGTHS_IN_ORDER.slice(0, 4 + bits.many(4))) ofLengths[length] = bits.many(3)
  const code = new PrefixCode(ofLengths)
  let left = bits.one() === 0 ? symbols : 2 + bits.many(2 + 2 * bits.many(3))
  let before = 8
  for (let symbol = 0; symbol < symbols && left > 0; left -= 1) {
    const length = code.read(bits)
    if (length < 16) {
      lengths[symbol++] = length
      if (length > 0) before = length
      continue
    }
    const times = length === 16 ? 3 + bits.many(2) : length === 17 ? 3 + bits.many(3) : 11 + bits.many(7)
    lengths.fill(length === 16 ? before : 0, symbol, symbol + times)
    symbol += times
  }
  return new PrefixCode(lengths)
}
