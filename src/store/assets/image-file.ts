import { availableParallelism } from 'node:os'
import sharp from 'sharp'
import type { OutputFormat } from '#contract'
import { AssetError } from '../../core/ports.ts'
import { gate } from './gate.ts'

// One thread for each image: many images at a time matter here, not the single one. Nothing is decoded twice, so a cache is only memory.
sharp.concurrency(1)
sharp.cache(false)

/** 100 megapixels, the most a request can ask for. A small file can unfold to far more. */
export const MAX_PIXELS = 100 * 1_048_576

/** The first bytes that any of the accepted formats needs to be told apart. */
export const SIGNATURE_BYTES = 12

/** Decoding shares libuv's four threads with files and name lookups: two stay free for them. */
const decodeGate = gate(Math.max(1, Math.min(2, availableParallelism() - 1)))

export interface ImageHeader {
  readonly format: OutputFormat
  readonly width: number
  readonly height: number
}

/**
 * The format by its first bytes. Asked before a decoder sees anything, so that only three of libvips' many loaders ever meet
 * bytes from outside.
 */
export function formatOf(head: Buffer): OutputFormat | null {
  if (head.subarray(0, 3).toString('hex') === 'ffd8ff') return 'jpeg'
  if (head.subarray(0, 8).toString('hex') === '89504e470d0a1a0a') return 'png'
  if (head.toString('latin1', 0, 4) === 'RIFF' && head.toString('latin1', 8, 12) === 'WEBP') return 'webp'
  return null
}

/** @throws AssetError `not_an_image` that says what the bytes look like instead */
export function assertFormat(head: Buffer): OutputFormat {
  const format = formatOf(head)
  if (format === null) throw new AssetError('not_an_image', `not a JPEG, PNG or WebP image but ${described(head)}`)
  return format
}

function described(head: Buffer): string {
  const text = head.toString('latin1').trimStart().toLowerCase()
  if (head.length === 0) return 'nothing at all'
  if (text.startsWith('gif8')) return 'a GIF'
  if (text.startsWith('<!doctype') || text.startsWith('<html')) return 'an HTML page'
  if (text.startsWith('<svg') || text.startsWith('<?xml')) return 'an XML or SVG document'
  if (text.startsWith('{') || text.startsWith('[')) return 'a JSON document'
  if (text.slice(4, 8) === 'ftyp') return 'an AVIF, HEIC or video file'
  return 'something else'
}

/**
 * Format and size from the header alone. `source` is a file's path or its bytes, already known to have one of the three formats.
 * @throws AssetError `not_an_image`, `too_large`
 */
export async function readHeader(source: string | Buffer, format: OutputFormat): Promise<ImageHeader> {
  const { width, height } = await sharp(source, { limitInputPixels: false, failOn: 'error' }).metadata().catch(unreadable)
  if (width * height > MAX_PIXELS) {
    throw new AssetError('too_large', `the image has ${width} × ${height} pixels; at most ${MAX_PIXELS} are taken`)
  }
  return { format, width, height }
}

/**
 * Decodes the whole image, off the event loop. The last row can only be had by reading everything before it, at a tenth of what
 * statistics over all pixels cost. `failOn: 'error'` refuses what is cut off or corrupt and bears mere warnings (an odd colour profile).
 * @throws AssetError `not_an_image`
 */
export async function assertWhole(source: string | Buffer, { width, height }: ImageHeader): Promise<void> {
  const lastRow = { left: 0, top: height - 1, width, height: 1 }
  const decode = () =>
    sharp(source, { limitInputPixels: MAX_PIXELS, failOn: 'error', sequentialRead: true }).extract(lastRow).raw().toBuffer()
  await decodeGate(() => decode().catch(unreadable))
}

function unreadable(error: unknown): never {
  // libvips puts the path it read from in its message.
  const reason = (error instanceof Error ? error.message : String(error)).replaceAll(/\/\S+/g, 'the file').slice(0, 200)
  throw new AssetError('not_an_image', `the image is cut off or damaged (${reason})`)
}
