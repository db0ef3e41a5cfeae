export interface Size {
  readonly width: number
  readonly height: number
}

/** Nobody's orientation stands behind more: it is one of the first entries. */
export const MOST_EXIF_BYTES = 64 * 1_024

const ORIENTATION_TAG = 0x0112
/** A type of values: 16 bits without a sign. */
const SHORT = 3

/** The orientation in EXIF data: TIFF, in either order of bytes. 1, which is as it lies, where there is none. CIPA DC-008, 4.6 */
export function exifOrientation(exif: Buffer): number {
  const tiff = isJpegExif(exif) ? exif.subarray(JPEG_EXIF.length) : exif
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

/** EXIF data that say an orientation and nothing else; null where it is as it lies, or no orientation. */
export function orientationExif(orientation: number | null): Buffer | null {
  if (orientation === null || orientation < 2 || orientation > 8) return null
  const tiff = Buffer.alloc(26)
  tiff.write('MM\0*', 'latin1')
  tiff.writeUInt32BE(8, 4)
  tiff.writeUInt16BE(1, 8)
  tiff.writeUInt16BE(ORIENTATION_TAG, 10)
  tiff.writeUInt16BE(SHORT, 12)
  tiff.writeUInt32BE(1, 14)
  tiff.writeUInt16BE(orientation, 18)
  return tiff
}

const JPEG_EXIF = 'Exif\0\0'
/** What stands at the beginning of EXIF data in a JPEG, and in some other files. */
export const isJpegExif = (content: Buffer): boolean => content.toString('latin1', 0, JPEG_EXIF.length) === JPEG_EXIF

/** An orientation that turns an image by a quarter swaps its sides. */
export const asSeen = ({ width, height }: Size, orientation: number): Size =>
  orientation >= 5 && orientation <= 8 ? { width: height, height: width } : { width, height }
