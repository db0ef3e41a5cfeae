import { Bits, readPrefixCode } from './prefix-code.ts'

const GREEN_LITERALS = 256
const LENGTHS = 24
const COLOURS = 256
const DISTANCES = 40
const MOST_CACHE_BITS = 11

/** The sides of a smaller image that is stored before the pixels, with a value for each block of them. */
interface Blocks {
  readonly width: number
  readonly height: number
}

/** So many pixels are read at once: some tenths of a millisecond. */
const PIXELS_AT_ONCE = 2_048

/**
 * Counts the code tables of a lossless WebP's pixels, of which each block of at least sixteen may have its own: what comes before them is read, and none
 * of them. Yields now and then, since that may be millions of values. What makes no sense has as many as were found: its decoder refuses it.
 * https://developers.google.com/speed/webp/docs/webp_lossless_bitstream_specification
 * @param at behind the header that says the sides, in bytes
 * @param most where there are more, the count ends
 */
export function* countTables(stream: Buffer, at: number, { width, height }: Blocks, most: number): Generator<void, number> {
  const bits = new Bits(stream, at)
  let columns = width
  const blocks = (sizeBits: number): Blocks => ({ width: Math.ceil(columns / 2 ** sizeBits), height: Math.ceil(height / 2 ** sizeBits) })
  for (let transforms = 0; bits.one() === 1 && transforms < 4; transforms += 1) {
    const kind = bits.many(2)
    if (kind < 2) yield* highestIndex(bits, blocks(2 + bits.many(3)), Infinity)
    if (kind < 3) continue
    const colours = bits.many(8) + 1
    yield* highestIndex(bits, { width: colours, height: 1 }, Infinity)
    // Few colours are packed, so many in a byte.
    columns = Math.ceil(columns / (colours <= 2 ? 8 : colours <= 4 ? 4 : colours <= 16 ? 2 : 1))
  }
  readCacheBits(bits)
  if (bits.one() === 0) return 1
  return 1 + (yield* highestIndex(bits, blocks(2 + bits.many(3)), most))
}

/** The highest that red and green of a pixel say together. What is repeated says nothing new. */
function* highestIndex(bits: Bits, { width, height }: Blocks, most: number): Generator<void, number> {
  const cached = readCacheBits(bits)
  const green = readPrefixCode(bits, GREEN_LITERALS + LENGTHS + cached)
  const [red, blue, alpha] = [readPrefixCode(bits, COLOURS), readPrefixCode(bits, COLOURS), readPrefixCode(bits, COLOURS)]
  const distance = readPrefixCode(bits, DISTANCES)
  const isFlat = [green, red, blue, alpha].every(({ only }) => only !== null) && (green.only ?? 0) < GREEN_LITERALS
  if (isFlat) return ((red.only ?? 0) << 8) | (green.only ?? 0)
  let highest = 0
  let read = 0
  for (let left = width * height; left > 0 && !bits.areOver && highest < most;) {
    const symbol = green.read(bits)
    left -= 1
    if (symbol < GREEN_LITERALS) {
      highest = Math.max(highest, (red.read(bits) << 8) | symbol)
      blue.read(bits)
      alpha.read(bits)
    } else if (symbol < GREEN_LITERALS + LENGTHS) {
      left -= readPrefixed(bits, symbol - GREEN_LITERALS) - 1
      readPrefixed(bits, distance.read(bits))
    }
    read += 1
    if (read % PIXELS_AT_ONCE === 0) yield
  }
  return highest
}

/** How many colours are remembered. */
function readCacheBits(bits: Bits): number {
  return bits.one() === 0 ? 0 : 2 ** Math.min(bits.many(4), MOST_CACHE_BITS)
}

/** A length or a distance: the symbol says how many bits follow. */
function readPrefixed(bits: Bits, symbol: number): number {
  if (symbol < 4) return symbol + 1
  const extra = (symbol - 2) >> 1
  return ((2 + (symbol & 1)) << extra) + bits.many(extra) + 1
}
