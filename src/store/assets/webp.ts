interface Size {
  readonly width: number
  readonly height: number
}

/** Where the first chunk's content begins: behind `RIFF`, the file's size, `WEBP`, and the chunk's own name and size. */
const FIRST_CONTENT = 20
/** In the first byte of an extended file: it has an EXIF chunk. */
const HAS_EXIF = 0x08

/**
 * The size as seen of a WebP file, from its first bytes; null where they do not say it. The pixels are in the first chunk, of which there are
 * three kinds; the orientation is in a chunk that usually stands at the very end.
 * https://developers.google.com/speed/webp/docs/riff_container, RFC 9649
 * @param isLast no more bytes will be read: without its orientation, an image is taken to lie as it is seen
 */
export function webpSize(head: Buffer, isLast: boolean): Size | null {
  if (head.length < 30) return null
  switch (head.toString('latin1', 12, 16)) {
    case 'VP8X': {
      const size = { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 }
      if (((head[FIRST_CONTENT] ?? 0) & HAS_EXIF) === 0 || size.width === size.height) return size
      const orientation = orientationIn(head)
      if (orientation === null) return isLast ? size : null
      return orientation >= 5 ? { width: size.height, height: size.width } : size
    }
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

/** EXIF orientation, 1 to 8; null where its chunk has not come yet. */
function orientationIn(head: Buffer): number | null {
  for (let start = 12; start + 8 <= head.length;) {
    const size = head.readUInt32LE(start + 4)
    const content = head.subarray(start + 8, start + 8 + size)
    if (head.toString('latin1', start, start + 4) === 'EXIF') return content.length < size ? null : exifOrientation(content)
    // Chunks begin at even offsets.
    start += 8 + size + (size % 2)
  }
  return head.length >= head.readUInt32LE(4) + 8 ? 1 : null
}

const ORIENTATION_TAG = 0x0112

/** The orientation in EXIF data: TIFF, in either order of bytes. 1, which is as it lies, where there is none. CIPA DC-008, 4.6 */
function exifOrientation(exif: Buffer): number {
  const tiff = exif.toString('latin1', 0, 6) === 'Exif\0\0' ? exif.subarray(6) : exif
  const isLittle = tiff.toString('latin1', 0, 2) === 'II'
  const read16 = (at: number): number => (at + 2 > tiff.length ? 0 : isLittle ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at))
  if (tiff.length < 8 || read16(2) !== 42) return 1
  const directory = isLittle ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4)
  const entries = read16(directory)
  for (let entry = 0; entry < entries; entry++) {
    const at = directory + 2 + entry * 12
    if (at + 12 > tiff.length) return 1
    if (read16(at) === ORIENTATION_TAG) return read16(at + 8)
  }
  return 1
}
