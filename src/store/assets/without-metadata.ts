import { crc32 } from 'node:zlib'
import type { OutputFormat } from '#contract'
import { exifOrientation, isJpegExif, MOST_EXIF_BYTES, orientationExif } from './structure/orientation.ts'
import { APP1, END, isKnown, isRestart, START, START_OF_SCAN, TEMPORARY } from './structure/jpeg.ts'
import { ANCILLARY, EXIF, IDAT, PLTE, TRNS } from './structure/png.ts'
import { ALPH, EXIF as RIFF_EXIF, VP8, VP8L, VP8X } from './structure/webp.ts'
import { joinInTurns } from './join-in-turns.ts'
import { cutOrDamaged } from './cut-or-damaged.ts'

/**
 * The same image as a decoder needs it: pixels, palette, transparency, and EXIF data of our own that say its orientation and nothing else. What is
 * not known to be one of these is left out, since decoders unpack metadata without a bound, before they are asked for it, and without an end to
 * their time: a profile of 600 bytes or EXIF data of 27 kB took minutes, a text of 50 kB gigabytes. So colours are those without a profile.
 * @param image of this format, by its first bytes
 * @returns the image itself where that is all of it
 * @throws AssetError `not_an_image` where it has more parts than an image has, or a JPEG no scan
 */
export const withoutMetadata = async (image: Buffer, format: OutputFormat): Promise<Buffer> => joinInTurns(partsFor[format](image))

const NOTHING: Buffer = Buffer.alloc(0)

/** An image of 50 MB has some ten thousand, and to walk over so many takes a few milliseconds. */
const MOST_PARTS = 100_000

/** An image that is made of parts of another. */
class Bare {
  readonly #image: Buffer
  readonly #parts: Buffer[] = []
  readonly #kept = new Set<number>()
  #count = 0
  /** The last part that is kept, which grows while what follows is kept, too. */
  #from = 0
  #to = 0

  /** @param headBytes that every image of this format begins with */
  constructor(image: Buffer, headBytes: number) {
    this.#image = image
    this.#to = headBytes
  }

  /** There is one more part, which may stay. */
  count(): void {
    if (++this.#count > MOST_PARTS) throw cutOrDamaged('it has too many parts')
  }

  keep(from: number, to: number): void {
    if (from > this.#to) this.#endPart(from)
    this.#to = Math.min(to, this.#image.length)
  }

  /** A decoder warns of each that comes again, and thousands of warnings take longer than the image. */
  keepOnce(name: number, from: number, to: number): void {
    if (this.#kept.has(name)) return
    this.#kept.add(name)
    this.keep(from, to)
  }

  /** @param added stands behind the first `at` bytes */
  parts(added: Buffer = NOTHING, at = 0): readonly Buffer[] {
    if (this.#parts.length === 0 && this.#to === this.#image.length && added.length === 0) return [this.#image]
    this.#endPart(this.#image.length)
    const [first = NOTHING, ...rest] = this.#parts
    return added.length === 0 ? this.#parts : [first.subarray(0, at), added, first.subarray(at), ...rest]
  }

  #endPart(next: number): void {
    this.#parts.push(this.#image.subarray(this.#from, this.#to))
    this.#from = next
  }
}

const PNG_SIGNATURE_BYTES = 8
/** Length, name and CRC. */
const PNG_CHUNK_BYTES = 12
/** The signature and the header, which comes first. */
const PNG_HEAD_BYTES = PNG_SIGNATURE_BYTES + PNG_CHUNK_BYTES + 13

/** A lower-case first letter says that an image can be shown without the chunk. https://www.w3.org/TR/png-3/#5Chunk-naming-conventions */
function pngWithout(image: Buffer): readonly Buffer[] {
  const bare = new Bare(image, PNG_SIGNATURE_BYTES)
  let orientation: number | null = null
  let hasData = false
  for (let at = PNG_SIGNATURE_BYTES; at + PNG_CHUNK_BYTES <= image.length;) {
    bare.count()
    const length = image.readUInt32BE(at)
    const name = image.readUInt32BE(at + 4)
    const end = at + PNG_CHUNK_BYTES + length
    if (name === EXIF && !hasData) orientation ??= exifOrientation(image.subarray(at + 8, Math.min(end - 4, at + 8 + MOST_EXIF_BYTES)))
    hasData ||= name === IDAT
    if (name === PLTE || name === TRNS) bare.keepOnce(name, at, end)
    else if ((name & ANCILLARY) === 0) bare.keep(at, end)
    at = end
  }
  const exif = orientationExif(orientation)
  return bare.parts(exif === null ? NOTHING : pngChunk('eXIf', exif), PNG_HEAD_BYTES)
}

function pngChunk(name: string, content: Buffer): Buffer {
  const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from(name, 'latin1'), content, Buffer.alloc(4)])
  chunk.writeUInt32BE(content.length, 0)
  chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4)
  return chunk
}

const JPEG_HEAD_BYTES = 2
/** JFIF. */
const APP0 = 0xe0
/** Says how Adobe's programs changed the colours. */
const APP14 = 0xee

/** Up to the first scan, behind which nobody reads metadata. */
function jpegWithout(image: Buffer): readonly Buffer[] {
  const bare = new Bare(image, JPEG_HEAD_BYTES)
  let orientation: number | null = null
  let at = JPEG_HEAD_BYTES
  for (;;) {
    bare.count()
    const marker = image[at + 1] ?? END
    if (image[at] !== 0xff) throw cutOrDamaged('something else stands where a marker should')
    if (marker === START_OF_SCAN) break
    if (marker !== 0xff && !isKnown(marker)) throw cutOrDamaged('a marker is none that decoders know')
    if (marker === START || marker === END || at + 4 > image.length) throw cutOrDamaged('it has no scan')
    const end = at + lengthOfSegment(marker, image.readUInt16BE(at + 2))
    if (marker === APP0 || marker === APP14) bare.keepOnce(marker, at, end)
    else if (isForPixels(marker)) bare.keep(at, end)
    if (marker === APP1) {
      const content = image.subarray(at + 4, end)
      if (isJpegExif(content)) orientation ??= exifOrientation(content)
    }
    at = end
  }
  bare.keep(at, image.length)
  const exif = orientationExif(orientation)
  return bare.parts(exif === null ? NOTHING : jpegSegment(APP1, Buffer.concat([Buffer.from('Exif\0\0'), exif])), JPEG_HEAD_BYTES)
}

/** With its marker. A fill byte, a restart and what is for encoders alone have no content: a decoder passes over them and reads on. */
function lengthOfSegment(marker: number, stated: number): number {
  if (marker === 0xff) return 1
  if (marker === TEMPORARY || isRestart(marker)) return 2
  if (stated < 2) throw cutOrDamaged('a segment has no length')
  return 2 + stated
}

/** Frames, code tables, quantization and restart intervals. */
const isForPixels = (marker: number): boolean => (marker >= 0xc0 && marker <= 0xcf) || (marker >= 0xdb && marker <= 0xdf)

function jpegSegment(marker: number, content: Buffer): Buffer {
  const head = Buffer.of(0xff, marker, 0, 0)
  head.writeUInt16BE(content.length + 2, 2)
  return Buffer.concat([head, content])
}

const RIFF_HEAD_BYTES = 12
const RIFF_CHUNK_BYTES = 8
const FLAGS_AT = 20
const HAS_EXIF = 0x08
const HAS_METADATA = 0x2c
const IMAGE_CHUNKS = new Set([VP8X, VP8, VP8L, ALPH])

/** Its header says what there is, and how long the rest is. https://developers.google.com/speed/webp/docs/riff_container */
function webpWithout(image: Buffer): readonly Buffer[] {
  const bare = new Bare(image, RIFF_HEAD_BYTES)
  let orientation: number | null = null
  for (let at = RIFF_HEAD_BYTES; at + RIFF_CHUNK_BYTES <= image.length;) {
    bare.count()
    const name = image.readUInt32BE(at)
    const size = image.readUInt32LE(at + 4)
    const content = at + RIFF_CHUNK_BYTES
    const end = content + size + (size % 2)
    if (name === RIFF_EXIF) orientation ??= exifOrientation(image.subarray(content, content + Math.min(size, MOST_EXIF_BYTES)))
    if (IMAGE_CHUNKS.has(name)) bare.keep(at, end)
    at = end
  }
  const isExtended = image.length > FLAGS_AT && image.readUInt32BE(RIFF_HEAD_BYTES) === VP8X
  const flags = isExtended ? (image[FLAGS_AT] ?? 0) : 0
  const exif = (flags & HAS_EXIF) === 0 ? null : orientationExif(orientation)
  const [first = NOTHING, ...rest] = bare.parts()
  if (exif === null && first === image && (flags & HAS_METADATA) === 0) return [image]
  const parts = [...rest, ...(exif === null ? [] : [riffChunk('EXIF', exif)])]
  const head = Buffer.from(first.subarray(0, isExtended ? FLAGS_AT + 1 : RIFF_HEAD_BYTES))
  head.writeUInt32LE(parts.reduce((bytes, { length }) => bytes + length, first.length) - RIFF_CHUNK_BYTES, 4)
  if (isExtended) head[FLAGS_AT] = (flags & ~HAS_METADATA) | (exif === null ? 0 : HAS_EXIF)
  return [head, first.subarray(head.length), ...parts]
}

/** @param content of an even length */
function riffChunk(name: string, content: Buffer): Buffer {
  const head = Buffer.from(`${name}\0\0\0\0`, 'latin1')
  head.writeUInt32LE(content.length, 4)
  return Buffer.concat([head, content])
}

/** In their order. */
const partsFor: Readonly<Record<OutputFormat, (image: Buffer) => readonly Buffer[]>> = {
  png: pngWithout,
  jpeg: jpegWithout,
  webp: webpWithout,
}
