import { assertFormat, formatOf, MAX_PIXELS, type ImageHeader, readHeader, SIGNATURE_BYTES } from './image-file.ts'

/**
 * Format and size in pixels of an image in memory, as its header tells them: what a reference image costs depends on it.
 * Only `Assets.put` checks that the rest is there too.
 * @throws AssetError `not_an_image`, or `too_large` where it has more than 100 megapixels
 */
export async function measure(image: Buffer): Promise<ImageHeader> {
  return readHeader(image, assertFormat(image.subarray(0, SIGNATURE_BYTES)))
}

/**
 * Width and height from an image's first bytes, whose rest was never fetched; null where they do not tell them, or tell of more than
 * 100 megapixels. A JPEG may keep its size behind a long profile: more bytes may tell.
 */
export async function measureHead(head: Buffer): Promise<{ readonly width: number; readonly height: number } | null> {
  const format = formatOf(head.subarray(0, SIGNATURE_BYTES))
  if (format === null) return null
  // The decoder wants a WebP file whole before it tells anything of it.
  const size = format === 'webp' ? webpSize(head) : await readHeader(head, format).catch(() => null)
  return size !== null && size.width > 0 && size.height > 0 && size.width * size.height <= MAX_PIXELS
    ? { width: size.width, height: size.height }
    : null
}

/** The size in the first chunk, of which there are three kinds. https://developers.google.com/speed/webp/docs/riff_container, RFC 9649 */
function webpSize(head: Buffer): { readonly width: number; readonly height: number } | null {
  if (head.length < 30) return null
  switch (head.toString('latin1', 12, 16)) {
    case 'VP8X':
      return { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 }
    case 'VP8L': {
      const bits = head.readUInt32LE(21)
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
    }
    case 'VP8 ':
      return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff }
    default:
      return null
  }
}
