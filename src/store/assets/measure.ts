import { assertFormat, type PictureHeader, readHeader, SIGNATURE_BYTES } from './picture.ts'

/**
 * Format and size in pixels of a picture in memory, as its header tells them: what a reference image costs depends on it.
 * Only `Assets.put` checks that the rest is there too.
 * @throws AssetError `not_an_image`, or `too_large` where it has more than 100 megapixels
 */
export async function measure(picture: Buffer): Promise<PictureHeader> {
  return readHeader(picture, assertFormat(picture.subarray(0, SIGNATURE_BYTES)))
}
