import { availableParallelism } from 'node:os'
import { described, formatOf } from '#contract'
import type { OutputFormat } from '#contract'
import { AssetError } from '../../core/ports.ts'
import { decoder } from './decoder.ts'
import { gate } from './gate.ts'
import type { Verdict } from './structure/verdict.ts'

/** 100 megapixels, the most a request can ask for. A small file can unfold to far more. */
export const MAX_PIXELS = 100 * 1_048_576

/** Decoding shares libuv's four threads with files and name lookups: two stay free for them. */
const decodeGate = gate(Math.max(1, Math.min(2, availableParallelism() - 1)))

/** 100 megapixels take a few seconds. A file made to keep a decoder busy is given up. */
const LONGEST_DECODE_S = 60

export interface ImageHeader {
  readonly format: OutputFormat
  /** As seen: an EXIF orientation that turns the image by a quarter swaps the sides. */
  readonly width: number
  readonly height: number
}

/** The header of an image with its sides as they lie in the file, which a decoder needs. */
export interface FileHeader extends ImageHeader {
  readonly columns: number
  readonly rows: number
}

/**
 * The format by the first bytes, whatever label they carry. Asked before a decoder sees anything, so that only three of libvips' many
 * loaders ever meet bytes from outside.
 * @throws AssetError `not_an_image` that says what the bytes are instead
 */
export function assertFormat(head: Buffer): OutputFormat {
  const format = formatOf(head)
  if (format === null) throw new AssetError('not_an_image', `not a JPEG, PNG or WebP image but ${described(head)}`)
  return format
}

/**
 * Format and size from the header alone. `source` is a file's path or its bytes, already known to have one of the three formats.
 * @throws AssetError `not_an_image`, `too_large`
 */
export async function readHeader(source: string | Buffer, format: OutputFormat): Promise<FileHeader> {
  const sharp = await decoder()
  const { width, height, autoOrient } = await sharp(source, { limitInputPixels: false, failOn: 'error' }).metadata().catch(unreadable)
  if (width * height > MAX_PIXELS) {
    throw new AssetError('too_large', `the image has ${width} × ${height} pixels; at most ${MAX_PIXELS} are taken`)
  }
  return { format, width: autoOrient.width, height: autoOrient.height, columns: width, rows: height }
}

/**
 * An image whose structure shows that it is whole is taken as it is; what is doubtful is decoded whole, off the event loop.
 * @throws AssetError `not_an_image`
 */
export async function assertSound(source: string | Buffer, header: FileHeader, verdict: Verdict): Promise<void> {
  switch (verdict.kind) {
    case 'whole':
      return
    case 'damaged':
      throw cutOrDamaged(verdict.why)
    case 'doubtful':
      await decodeGate(() => decodeWhole(source, header).catch(unreadable))
  }
}

/**
 * The last row can only be had by reading everything before it, at a tenth of what statistics over all pixels cost. `error` refuses what is
 * cut off or corrupt and bears mere warnings (an odd colour profile); of a JPEG, missing rows are only a warning.
 */
async function decodeWhole(source: string | Buffer, { format, columns, rows }: FileHeader): Promise<void> {
  const sharp = await decoder()
  const failOn = format === 'jpeg' ? 'warning' : 'error'
  const lastRow = { left: 0, top: rows - 1, width: columns, height: 1 }
  await sharp(source, { limitInputPixels: MAX_PIXELS, failOn, sequentialRead: true })
    .timeout({ seconds: LONGEST_DECODE_S })
    .extract(lastRow)
    .raw()
    .toBuffer()
}

function unreadable(error: unknown): never {
  // libvips puts the path it read from in its message.
  const reason = (error instanceof Error ? error.message : String(error)).replaceAll(/\/\S+/g, 'the file').slice(0, 200)
  throw cutOrDamaged(reason)
}

export const cutOrDamaged = (why: string): AssetError => new AssetError('not_an_image', `the image is cut off or damaged (${why})`)
