import { readFile } from 'node:fs/promises'
import type Sharp from 'sharp'
import type { OutputFormat } from '#contract'
import type { SmallWidth } from '../../core/ports.ts'
import { assertFewTables } from './few-tables.ts'
import { withoutMetadata } from './without-metadata.ts'

/** 100 megapixels, the most a request can ask for. A small file can unfold to far more. */
export const MAX_PIXELS = 100 * 1_048_576

let loading: Promise<typeof Sharp> | null = null

/** Native code, a fifteenth of a start; the first image loads it. */
export function decoder(): Promise<typeof Sharp> {
  loading ??= import('sharp').then(({ default: sharp }) => {
    // One thread for each image: many images at a time matter here, not the single one. Nothing is decoded twice, so a cache is only memory.
    sharp.concurrency(1)
    sharp.cache(false)
    return sharp
  })
  return loading
}

const QUALITY = 75
/** A photograph of a megapixel takes 7 ms instead of 11 with the usual 4, and its small image is as small. */
const EFFORT = 1
/** Of height to width: a strip stays within what WebP can hold. */
const STEEPEST = 4

interface Strictness {
  /** `error` refuses what is cut off or corrupt and bears mere warnings (an odd colour profile); of a JPEG, missing rows are only a warning. */
  readonly failOn: 'error' | 'warning'
  /** After which the image is given up. */
  readonly longestS: number
}

/** What is decoded: its path, or its bytes. */
export interface Encoded {
  readonly source: string | Buffer
  readonly format: OutputFormat
}

/** For the decoder, which sees nothing but what makes pixels. */
async function opened({ source, format }: Encoded, failOn: Strictness['failOn']): Promise<ReturnType<typeof Sharp>> {
  const bare = await withoutMetadata(Buffer.isBuffer(source) ? source : await readFile(source), format)
  if (format === 'webp') await assertFewTables(bare)
  const sharp = await decoder()
  return sharp(bare, { limitInputPixels: MAX_PIXELS, failOn, sequentialRead: true })
}

/**
 * Has every row of a PNG read, and makes nothing of it: the last row comes behind all others. A quarter of the memory that a small image takes, and
 * an eighth of the time where it is large.
 * @throws where it cannot be decoded
 */
export async function readThrough(png: Encoded, rows: number, { failOn, longestS }: Strictness): Promise<void> {
  const image = await opened(png, failOn)
  await image
    .timeout({ seconds: longestS })
    .extract({ left: 0, top: rows - 1, width: 1, height: 1 })
    .raw()
    .toBuffer()
}

/**
 * A small WebP of an image, as it is seen and never larger than it is. Every byte of the image is read for it, off the event loop, and no more of
 * its pixels are computed than it needs.
 * @throws where it cannot be decoded
 */
export async function shrink(encoded: Encoded, width: SmallWidth, { failOn, longestS }: Strictness): Promise<Buffer> {
  const image = await opened(encoded, failOn)
  return image
    .timeout({ seconds: longestS })
    .autoOrient()
    .resize({ width, height: width * STEEPEST, fit: 'inside', withoutEnlargement: true })
    .webp({ quality: QUALITY, effort: EFFORT })
    .toBuffer()
}
