import { formatOf, SIGNATURE_BYTES } from '#contract'
import { webpSize } from './webp.ts'
import { MAX_PIXELS } from './decoder.ts'
import { assertFormat, type ImageHeader, readHeader } from './image-file.ts'

/**
 * Format and size in pixels of an image in memory, as its header says and as it is seen: what a reference image costs depends on it.
 * Only `Assets.put` checks that the rest is there too.
 * @throws AssetError `not_an_image`, or `too_large` where it has more than 100 megapixels
 */
export async function measure(image: Buffer): Promise<ImageHeader> {
  return readHeader(image, assertFormat(image.subarray(0, SIGNATURE_BYTES)))
}

/**
 * Width and height as seen, from an image's first bytes, whose rest was never fetched; null where they do not say it, or say more than
 * 100 megapixels. A JPEG may keep its size behind a long profile, a WebP its orientation behind all its pixels: more bytes may say it.
 * @param isLast no more bytes will be read: where only the orientation is unknown, the sides as they lie in the file are the answer
 */
export async function measureHead(head: Buffer, isLast = false): Promise<{ readonly width: number; readonly height: number } | null> {
  const format = formatOf(head)
  if (format === null) return null
  // The decoder wants a WebP file whole before it says anything of it.
  const size = format === 'webp' ? webpSize(head, isLast) : await readHeader(head, format).catch(() => null)
  return size !== null && size.width > 0 && size.height > 0 && size.width * size.height <= MAX_PIXELS
    ? { width: size.width, height: size.height }
    : null
}
