import type { OutputFormat } from '#contract'
import { isJpegExif, MOST_EXIF_BYTES } from './structure/orientation.ts'
import { cutOrDamaged } from './cut-or-damaged.ts'

/**
 * The same image as a decoder needs it: pixels, palette, transparency, orientation. Colour profiles, XMP, texts and all else are left out, since
 * decoders unpack them without a bound, before they are asked for, and without an end to their time: a profile of 600 bytes took minutes, a
 * text of 50 kB gigabytes. So colours are those without a profile.
 * @param image of this format, by its first bytes @throws AssetError `not_an_image` where it has more parts than an image has
 */
export function withoutMetadata(image: Buffer, format: OutputFormat): Buffer {
  switch (format) {
    case 'png':
      return pngWithout(image)
    case 'jpeg':
      return jpegWithout(image)
    case 'webp':
      return webpWithout(image)
  }
}

/** An image of 50 MB has some ten thousand, and to walk over so many takes a few milliseconds. */
const MOST_PARTS = 100_000

/** Parts of an image that stay, without a copy where all of them do. */
class Kept {
  readonly #image: Buffer
  readonly #parts: Buffer[] = []
  #from = 0
  #count = 0

  constructor(image: Buffer) {
    this.#image = image
  }

  /** The next part, whether it stays or not. */
  pass(start: number, end: number, stays: boolean): void {
    if (++this.#count > MOST_PARTS) throw cutOrDamaged('it has too many parts')
    if (stays) return
    this.#parts.push(this.#image.subarray(this.#from, start))
    this.#from = end
  }

  isWhole(): boolean {
    return this.#from === 0
  }

  result(): Buffer {
    return this.isWhole() ? this.#image : Buffer.concat([...this.#parts, this.#image.subarray(this.#from)])
  }
}

const PNG_SIGNATURE_BYTES = 8
/** Length, name and CRC. */
const PNG_CHUNK_BYTES = 12
const IDAT = 0x49444154
const EXIF = 0x65584966
const TRANSPARENCY = 0x74524e53
const ANCILLARY = 0x20000000

/** A lower-case first letter says that an image can be shown without the chunk. https://www.w3.org/TR/png-3/#5Chunk-naming-conventions */
function pngWithout(image: Buffer): Buffer {
  const kept = new Kept(image)
  for (let at = PNG_SIGNATURE_BYTES; at + PNG_CHUNK_BYTES <= image.length;) {
    const length = image.readUInt32BE(at)
    const name = image.readUInt32BE(at + 4)
    const end = at + PNG_CHUNK_BYTES + length
    const isSmallExif = name === EXIF && length <= MOST_EXIF_BYTES
    kept.pass(at, Math.min(end, image.length), name === IDAT || (name & ANCILLARY) === 0 || name === TRANSPARENCY || isSmallExif)
    at = end
  }
  return kept.result()
}

const START_OF_SCAN = 0xda
const COMMENT = 0xfe
const APP0 = 0xe0
const APP1 = 0xe1
/** Says how Adobe's programs changed the colours. */
const APP14 = 0xee
const APP15 = 0xef

/** Up to the first scan, behind which nobody reads metadata. */
function jpegWithout(image: Buffer): Buffer {
  const kept = new Kept(image)
  for (let at = 2; at + 4 <= image.length && image[at] === 0xff;) {
    const marker = image[at + 1] ?? 0
    if (marker === 0xff) {
      kept.pass(at, ++at, true)
      continue
    }
    if (marker === START_OF_SCAN || !hasLength(marker)) break
    const end = at + 2 + image.readUInt16BE(at + 2)
    kept.pass(at, Math.min(end, image.length), !isMetadata(marker, image.subarray(at + 4, end)))
    at = end
  }
  return kept.result()
}

/** Others stand alone, and none of them before a scan. */
const hasLength = (marker: number): boolean => marker >= 0xc0 && !(marker >= 0xd0 && marker <= 0xd9)

function isMetadata(marker: number, content: Buffer): boolean {
  if (marker === APP1) return !isJpegExif(content)
  return marker === COMMENT || (marker > APP0 && marker <= APP15 && marker !== APP14)
}

const RIFF_HEAD_BYTES = 12
const RIFF_CHUNK_BYTES = 8
const FLAGS_AT = 20
const HAS_PROFILE_OR_XMP = 0x24
const IMAGE_CHUNKS = new Set(['VP8X', 'VP8 ', 'VP8L', 'ALPH', 'EXIF', 'ANIM', 'ANMF'])

/** Its header says what there is, and how long the rest is. https://developers.google.com/speed/webp/docs/riff_container */
function webpWithout(image: Buffer): Buffer {
  const kept = new Kept(image)
  for (let at = RIFF_HEAD_BYTES; at + RIFF_CHUNK_BYTES <= image.length;) {
    const size = image.readUInt32LE(at + 4)
    const end = at + RIFF_CHUNK_BYTES + size + (size % 2)
    kept.pass(at, Math.min(end, image.length), IMAGE_CHUNKS.has(image.toString('latin1', at, at + 4)))
    at = end
  }
  if (kept.isWhole()) return image
  const bare = kept.result()
  bare.writeUInt32LE(bare.length - RIFF_CHUNK_BYTES, 4)
  if (bare.toString('latin1', RIFF_HEAD_BYTES, RIFF_HEAD_BYTES + 4) === 'VP8X') bare[FLAGS_AT] = (bare[FLAGS_AT] ?? 0) & ~HAS_PROFILE_OR_XMP
  return bare
}
