import { behindPadding, damaged, type Demand, doubtful, type Structure, type Verdict, WHOLE } from './verdict.ts'
import { InSteps } from './in-steps.ts'
import { asSeen, exifOrientation, MOST_EXIF_BYTES, type Size } from './orientation.ts'

/** `RIFF`, the size of all that follows, `WEBP`. */
const FILE_HEAD_BYTES = 12
/** Name and size of a chunk. */
const HEAD_BYTES = 8
/** Names of chunks, as the numbers that their four letters are: a file may have millions of names, each of which would be a text of its own. */
export const VP8X = 0x56503858
export const VP8 = 0x56503820
export const VP8L = 0x5650384c
export const ALPH = 0x414c5048
export const EXIF = 0x45584946
const ANIM = 0x414e494d
const ANMF = 0x414e4d46
const HAS_ANIMATION = 0x02
const HAS_EXIF = 0x08
/** Of a chunk's content, but of EXIF data: enough for the size that a lossy frame says. */
const HELD_BYTES = 10

/** The first byte of `ALPH` says how it is packed, 0 for not at all. */
const isCompressed = (first = 0): boolean => (first & 3) !== 0
/** Of pixels without loss: the byte that they begin with, and their sides. */
const LOSSLESS_HEAD_BYTES = 5

interface Chunk {
  readonly name: number
  readonly size: number
  left: number
  head: Buffer
}

/**
 * The fewest bytes for each pixel of a WebP that is taken for whole by its chunks, where it came as long as it was stated: about the first
 * percentile of photographs at quality 80 (the test images of scikit-image and sharp, at a megapixel).
 */
const PLAUSIBLE = 0.03

/**
 * Whether a WebP has every chunk whole, up to the size its header says. Its pixels have no mark at their end, so what is sound is `doubtful`
 * all the same and goes to a decoder, unless it came as long as it was stated and has as many bytes as such an image takes. https://developers.google.com/speed/webp/docs/riff_container
 */
export const webpStructure = (statedBytes: number | null): Structure => new WebpStructure(statedBytes)

class WebpStructure implements Structure {
  readonly #statedBytes: number | null
  #bytes = 0
  readonly #pieces = new InSteps(
    (bytes, at) => this.#step(bytes, at),
    () => this.#damage !== null,
  )
  /** Bytes that the file still must have; null until its header is read. */
  #left: number | null = null
  #chunk: Chunk | null = null
  #chunks = 0
  #images = 0
  #size: Size | null = null
  /** Of its pixels, where the file's header says none. */
  #pixelsSize: Size | null = null
  #hasExif = false
  #orientation: number | null = null
  /** Bytes of its lossy pixels, and how many pixels these are. */
  #lossy = { bytes: 0, pixels: Infinity }
  #hasAlpha = false
  #demand: Demand | null = null
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
    if (this.#left !== 0 || this.#chunk !== null) return damaged('it is shorter than its header says')
    if (this.#images !== 1) return damaged(this.#images === 0 ? 'it has no image' : 'it has two images')
    const { bytes, pixels } = this.#lossy
    if (this.#bytes === this.#statedBytes && bytes >= pixels * PLAUSIBLE) return WHOLE
    return doubtful('only a decoder knows where its pixels end', this.#demand)
  }

  demand(): Demand | null {
    return this.#demand
  }

  /** EXIF data usually stands at the very end. */
  size(isLast: boolean): Size | null {
    const size = this.#size ?? this.#pixelsSize
    if (size === null) return null
    const isKnown = !this.#hasExif || this.#orientation !== null || size.width === size.height || this.#left === 0
    return isKnown || isLast ? asSeen(size, this.#orientation ?? 1) : null
  }

  /** Returns where it stopped: at `at` where it needs more bytes. */
  #step(bytes: Buffer, at: number): number {
    if (this.#left === null) {
      if (bytes.length - at < FILE_HEAD_BYTES) return at
      this.#left = bytes.readUInt32LE(at + 4) - 4
      if (this.#left < HEAD_BYTES) this.#damage = 'its header makes no sense'
      return at + FILE_HEAD_BYTES
    }
    if (this.#chunk !== null) return this.#readContent(this.#chunk, bytes, at)
    if (this.#left > 0) return this.#begin(bytes, at, this.#left)
    if (behindPadding(bytes, at) < bytes.length) this.#damage = 'another file stands behind its end'
    return bytes.length
  }

  #begin(bytes: Buffer, at: number, left: number): number {
    if (left < HEAD_BYTES) {
      // Some encoders count padding that belongs to no chunk.
      this.#left = Math.max(0, left - (bytes.length - at))
      return Math.min(bytes.length, at + left)
    }
    if (bytes.length - at < HEAD_BYTES) return at
    const size = bytes.readUInt32LE(at + 4)
    const padded = size + (size % 2)
    const name = bytes.readUInt32BE(at)
    // The padding of the last chunk may be left out of the count.
    if (HEAD_BYTES + size > left) this.#damage = `its chunk ${lettersOf(bytes, at)} is longer than the file`
    this.#chunks += 1
    this.#left = Math.max(0, left - HEAD_BYTES - padded)
    this.#chunk = { name, size, left: Math.min(padded, left - HEAD_BYTES), head: Buffer.alloc(0) }
    if (this.#chunk.left === 0) this.#finish(this.#chunk)
    return at + HEAD_BYTES
  }

  #readContent(chunk: Chunk, bytes: Buffer, at: number): number {
    const content = bytes.subarray(at, at + chunk.left)
    chunk.left -= content.length
    const most = chunk.name === EXIF ? MOST_EXIF_BYTES : HELD_BYTES
    if (chunk.head.length < most) chunk.head = Buffer.concat([chunk.head, content.subarray(0, most - chunk.head.length)])
    // Before the last of its pixels has come.
    if (chunk.head.length >= HELD_BYTES) this.#pixelsSize ??= sizeOfPixels(chunk)
    if (chunk.left === 0) this.#finish(chunk)
    return at + content.length
  }

  #finish({ name, size: bytes, head }: Chunk): void {
    this.#chunk = null
    switch (name) {
      case VP8X:
        // Anywhere else readers pass over it.
        if (this.#chunks !== 1) this.#damage = 'its header is not where it should be'
        else if (head.length < HELD_BYTES) this.#damage = 'its header makes no sense'
        else if (((head[0] ?? 0) & HAS_ANIMATION) !== 0) this.#damage = 'it is an animation'
        else {
          this.#size = { width: head.readUIntLE(4, 3) + 1, height: head.readUIntLE(7, 3) + 1 }
          this.#hasExif = ((head[0] ?? 0) & HAS_EXIF) !== 0
        }
        return
      case EXIF:
        if (this.#hasExif) this.#orientation ??= exifOrientation(head)
        return
      case ANIM:
      case ANMF:
        this.#damage = 'it is an animation'
        return
      case ALPH:
        if (this.#images > 0) this.#damage = 'its transparency is not where it should be'
        else if (this.#hasAlpha) this.#damage = 'it has two transparencies'
        this.#hasAlpha = true
        return
      case VP8:
      case VP8L: {
        const size = sizeOfPixels({ name, head })
        this.#images++
        if (size === null) this.#damage = 'its pixels have no header'
        else if (this.#size !== null && (this.#size.width !== size.width || this.#size.height !== size.height))
          this.#damage = 'its headers say two sizes'
        else if (name === VP8) this.#lossy = { bytes, pixels: size.width * size.height }
        if (size !== null) this.#demand = demandOf(size, name === VP8L, this.#hasAlpha)
      }
    }
  }
}

function lettersOf(bytes: Buffer, at: number): string {
  const name = bytes.toString('latin1', at, at + 4)
  return /^[\w ]{4}$/.test(name) ? name.trim() : 'of no known name'
}

/**
 * Lossless pixels are unpacked at once, and so is the transparency of lossy ones, whose rows come one by one and as small as they are asked for.
 */
function demandOf({ width, height }: Size, isLossless: boolean, hasAlpha: boolean): Demand {
  const pixels = width * height
  const wholeBytes = pixels * (isLossless ? 4 : hasAlpha ? 1.25 : 0)
  return { wholeBytes, rowBytes: 0, rows: height, pixelBytes: pixels * (isLossless || hasAlpha ? 4 : 3) }
}

function sizeOfPixels({ name, head }: Pick<Chunk, 'name' | 'head'>): Size | null {
  if (name === VP8L) return losslessSize(head)
  return name === VP8 ? lossySize(head) : null
}

function losslessSize(head: Buffer): Size | null {
  if (head.length < 5 || head[0] !== 0x2f) return null
  const bits = head.readUInt32LE(1)
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
}

/** RFC 6386, 9.1: a key frame, its start code, and two sides of fourteen bits. */
function lossySize(head: Buffer): Size | null {
  if (head.length < HELD_BYTES || ((head[0] ?? 0) & 1) !== 0 || head.readUIntBE(3, 3) !== 0x9d012a) return null
  return { width: head.readUInt16LE(6) & 0x3fff, height: head.readUInt16LE(8) & 0x3fff }
}

/** Where the pixels without loss of a WebP stand, or its transparency that is the same stream without their header; null where it has neither. */
export function losslessIn(webp: Buffer): { readonly at: number; readonly end: number; readonly size: Size } | null {
  let alpha: { readonly at: number; readonly end: number } | null = null
  for (let at = FILE_HEAD_BYTES; at + HEAD_BYTES <= webp.length;) {
    const name = webp.readUInt32BE(at)
    const bytes = webp.readUInt32LE(at + 4)
    const begin = at + HEAD_BYTES
    const end = begin + bytes
    const size = sizeOfPixels({ name, head: webp.subarray(begin, begin + HELD_BYTES) })
    if (size !== null && name === VP8L) return { at: begin + LOSSLESS_HEAD_BYTES, end, size }
    if (size !== null) return alpha && { ...alpha, size }
    if (name === ALPH && isCompressed(webp[begin])) alpha = { at: begin + 1, end }
    at = end + (bytes % 2)
  }
  return null
}
