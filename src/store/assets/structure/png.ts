import { crc32 } from 'node:zlib'
import { behindPadding, damaged, type Demand, doubtful, type Structure, type Verdict, WHOLE } from './verdict.ts'
import { InSteps } from './in-steps.ts'
import { asSeen, exifOrientation, MOST_EXIF_BYTES, type Size } from './orientation.ts'

const SIGNATURE_BYTES = 8
/** Length and name of a chunk. */
const HEAD_BYTES = 8
const CRC_BYTES = 4
/** Samples of a pixel and the depths they may have, by colour type. https://www.w3.org/TR/png-3/#11IHDR */
const COLOURS: Readonly<Record<number, { readonly samples: number; readonly depths: readonly number[] }>> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] },
  2: { samples: 3, depths: [8, 16] },
  3: { samples: 1, depths: [1, 2, 4, 8] },
  4: { samples: 2, depths: [8, 16] },
  6: { samples: 4, depths: [8, 16] },
}
/** Deflate cannot press anything further than to this part. https://zlib.net/zlib_tech.html */
const LEAST_SHARE = 1 / 1_032
/** Only a decoder can say whether every row is there. What is pressed to less than this part of its rows is decoded; it is soon done. */
const CERTAIN_SHARE = 1 / 2
/**
 * The same where it came as long as it was stated: photographs take a quarter and more (the least of 26, among 33 test images of scikit-image
 * and sharp at a megapixel), drawings less.
 */
const PLAUSIBLE_SHARE = 1 / 4
/** Names of chunks, as the numbers that their four letters are: a file may have millions of names, each of which would be a text of its own. */
const IHDR = 0x49484452
export const PLTE = 0x504c5445
export const IDAT = 0x49444154
const IEND = 0x49454e44
export const TRNS = 0x74524e53
export const EXIF = 0x65584966
const ACTL = 0x6163544c
/** On these something depends. */
const REMEMBERED = new Set([PLTE, IDAT, TRNS])
const MAX_LENGTH = 2 ** 31 - 1
/** What the longest chunk that is read has, beside EXIF data: IHDR. */
const HELD_BYTES = 13
/** What a JPEG may have at most. A decoder takes half a microsecond for a row, however short it is: half a minute for sixty million in 117 kB. */
const MOST_ROWS = 65_535

interface Chunk {
  readonly name: number
  readonly length: number
  left: number
  crc: number
  /** Of its content, as far as it is read. */
  head: Buffer
}

/** As a decoder hands them on. */
interface PngPixels {
  readonly width: number
  readonly height: number
  readonly samples: number
  readonly sampleBytes: number
  readonly isInterlaced: boolean
}

/**
 * Whether a PNG has every chunk whole, by its CRC and in a legal order, up to its end, and data enough for its size.
 * https://www.w3.org/TR/png-3/#5Chunk-layout
 */
export const pngStructure = (statedBytes: number | null): Structure => new PngStructure(statedBytes)

class PngStructure implements Structure {
  readonly #statedBytes: number | null
  #bytes = 0
  #toSkip = SIGNATURE_BYTES
  readonly #pieces = new InSteps(
    (bytes, at) => this.#step(bytes, at),
    () => this.#damage !== null,
  )
  #chunk: Chunk | null = null
  readonly #names = new Set<number>()
  /** The name of the last chunk; 0 before the first. */
  #last = 0
  /** Of all rows, before compression; 0 until it is known. */
  #rawBytes = 0
  #isPalette = false
  #pixels: PngPixels | null = null
  #orientation: number | null = null
  #dataBytes = 0
  #hasEnded = false
  #doubt: string | null = null
  #damage: string | null = null

  constructor(statedBytes: number | null) {
    this.#statedBytes = statedBytes
  }

  take(piece: Buffer): void {
    this.#bytes += piece.length
    this.#pieces.take(piece)
  }

  verdict(): Verdict {
    if (this.#damage !== null) return damaged(this.#damage)
    if (!this.#hasEnded) return damaged('it has no end')
    if (this.#dataBytes < this.#rawBytes * LEAST_SHARE) return damaged('it has less data than its size can take')
    if (this.#doubt !== null) return doubtful(this.#doubt, this.demand())
    const certainShare = this.#bytes === this.#statedBytes ? PLAUSIBLE_SHARE : CERTAIN_SHARE
    if (this.#dataBytes < this.#rawBytes * certainShare) return doubtful('it has so little data that rows may be missing', this.demand())
    return WHOLE
  }

  /** A chunk before the data says whether there is transparency. */
  demand(): Demand | null {
    if (this.#pixels === null || !this.#hasReachedData()) return null
    const { width, height, samples, sampleBytes, isInterlaced } = this.#pixels
    const rowBytes = width * sampleBytes * (samples + (this.#names.has(TRNS) ? 1 : 0))
    const pixelBytes = height * rowBytes
    return { wholeBytes: isInterlaced ? pixelBytes : 0, rowBytes, rows: height, pixelBytes }
  }

  size(isLast: boolean): Size | null {
    return this.#pixels === null || !(this.#hasReachedData() || isLast) ? null : asSeen(this.#pixels, this.#orientation ?? 1)
  }

  #hasReachedData(): boolean {
    return this.#names.has(IDAT) || this.#chunk?.name === IDAT
  }

  /** Returns where it stopped: at `at` where it needs more bytes. */
  #step(bytes: Buffer, at: number): number {
    if (this.#toSkip > 0) {
      const skipped = Math.min(this.#toSkip, bytes.length - at)
      this.#toSkip -= skipped
      return at + skipped
    }
    if (this.#hasEnded) {
      if (behindPadding(bytes, at) < bytes.length) this.#damage = 'another file stands behind its end'
      return bytes.length
    }
    if (this.#chunk === null) return this.#begin(bytes, at)
    return this.#chunk.left > 0 ? this.#readContent(this.#chunk, bytes, at) : this.#readCrc(this.#chunk, bytes, at)
  }

  #begin(bytes: Buffer, at: number): number {
    if (bytes.length - at < HEAD_BYTES) return at
    const length = bytes.readUInt32BE(at)
    const name = bytes.readUInt32BE(at + 4)
    if (length > MAX_LENGTH || !isOfLetters(name)) this.#damage = 'something else stands where a chunk should'
    this.#chunk = { name, length, left: length, crc: crc32(bytes.subarray(at + 4, at + HEAD_BYTES)), head: Buffer.alloc(0) }
    return at + HEAD_BYTES
  }

  #readContent(chunk: Chunk, bytes: Buffer, at: number): number {
    const content = bytes.subarray(at, at + chunk.left)
    chunk.crc = crc32(content, chunk.crc)
    chunk.left -= content.length
    const most = chunk.name === EXIF ? MOST_EXIF_BYTES : HELD_BYTES
    if (chunk.head.length < most) chunk.head = Buffer.concat([chunk.head, content.subarray(0, most - chunk.head.length)])
    return at + content.length
  }

  #readCrc(chunk: Chunk, bytes: Buffer, at: number): number {
    if (bytes.length - at < CRC_BYTES) return at
    if (bytes.readUInt32BE(at) !== chunk.crc) this.#damage = `its chunk ${lettersOf(chunk.name)} is damaged`
    else this.#finish(chunk)
    if (REMEMBERED.has(chunk.name)) this.#names.add(chunk.name)
    this.#last = chunk.name
    this.#chunk = null
    return at + CRC_BYTES
  }

  #finish({ name, length, head }: Chunk): void {
    if ((name === IHDR) === (this.#last !== 0)) this.#damage = 'its header is not where it should be'
    switch (name) {
      case IHDR:
        return this.#readHeader(head, length)
      case PLTE:
        if (length === 0 || length % 3 !== 0 || length > 768 || this.#names.has(PLTE)) this.#damage = 'its palette makes no sense'
        return
      case IDAT:
        if (this.#names.has(IDAT) && this.#last !== IDAT) this.#damage = 'its data is interrupted'
        if (this.#isPalette && !this.#names.has(PLTE)) this.#damage = 'it has no palette'
        if (this.#dataBytes === 0 && head.length >= 2 && !isZlib(head)) this.#damage = 'its data is not compressed'
        this.#dataBytes += length
        return
      case EXIF:
        // Behind the pixels nobody reads it.
        if (!this.#names.has(IDAT)) this.#orientation ??= exifOrientation(head)
        return
      case ACTL:
        if (length < 4 || head.readUInt32BE(0) !== 1) this.#damage = 'it is an animation'
        return
      case IEND:
        if (length > 0 || !this.#names.has(IDAT)) this.#damage = 'its end comes too early'
        this.#hasEnded = true
        return
      default:
        // An upper-case first letter says that nobody can show the image without understanding the chunk.
        if ((name & ANCILLARY) === 0) this.#doubt ??= `its chunk ${lettersOf(name)} is unknown`
    }
  }

  #readHeader(header: Buffer, length: number): void {
    const colour = length === HELD_BYTES ? COLOURS[header.readUInt8(9)] : undefined
    const depth = length === HELD_BYTES ? header.readUInt8(8) : 0
    if (colour?.depths.includes(depth) !== true || header.readUInt16BE(10) !== 0 || header.readUInt8(12) > 1) {
      this.#damage = 'its header makes no sense'
      return
    }
    const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)]
    if (width === 0 || height === 0) this.#damage = 'its header makes no sense'
    if (height > MOST_ROWS) this.#damage = `it has more than ${MOST_ROWS} rows`
    this.#isPalette = header.readUInt8(9) === 3
    const samples = this.#isPalette ? 3 : colour.samples
    this.#pixels = { width, height, samples, sampleBytes: depth === 16 ? 2 : 1, isInterlaced: header.readUInt8(12) === 1 }
    this.#rawBytes = height * (1 + Math.ceil((width * colour.samples * depth) / 8))
  }
}

/** An upper-case letter has this bit not set. */
export const ANCILLARY = 0x20_00_00_00

function isOfLetters(name: number): boolean {
  for (let shift = 24; shift >= 0; shift -= 8) {
    const letter = ((name >>> shift) & 0xff) | 0x20
    if (letter < 0x61 || letter > 0x7a) return false
  }
  return true
}

const lettersOf = (name: number): string => String.fromCharCode(name >>> 24, (name >>> 16) & 0xff, (name >>> 8) & 0xff, name & 0xff)

/** RFC 1950: deflate, and a header that is a multiple of 31. */
const isZlib = (head: Buffer): boolean => (head.readUInt8(0) & 0x0f) === 8 && head.readUInt16BE(0) % 31 === 0
