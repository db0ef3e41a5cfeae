import { Readable } from 'node:stream'
import { heldIn, isStandIn, release, standInOf } from './held-bytes.ts'

/** The bytes of an image by its base64, bare or in a `data:` URI as `readDataUri` gives it, or by its stand-in; null where they are held no more. */
export function inlineBytes(text: string): Readable | Buffer | null {
  const held = heldIn(text)
  if (held !== null) return Readable.from(held.chunks, { objectMode: false })
  return isStandIn(text) ? null : Buffer.from(text.slice(text.indexOf(',') + 1), 'base64')
}

/** The same in one piece; null also where they are more than `most`. */
export function wholeInline(text: string, most: number): Buffer | null {
  const held = heldIn(text)
  if (held !== null) return held.bytes > most ? null : Buffer.concat(held.chunks)
  return isStandIn(text) || text.length > (most / 3) * 4 ? null : Buffer.from(text.slice(text.indexOf(',') + 1), 'base64')
}

/** An image of a reply, as `ImageRef` has it. */
interface Delivered {
  readonly source: { readonly kind: 'url'; readonly url: string } | { readonly kind: 'base64'; readonly data: string }
}

const textOf = ({ source }: Delivered): string => (source.kind === 'url' ? source.url : source.data)

/** Whether an image is bytes that only this process has. */
export const isHeldHere = (image: Delivered): boolean => isStandIn(textOf(image))

/** Lets go of what came and is none of the images that are wanted. */
export function releaseUnwanted(standIns: readonly string[], wanted: readonly Delivered[]): void {
  const kept = new Set(wanted.map((image) => standInOf(textOf(image))))
  for (const standIn of standIns) if (!kept.has(standInOf(standIn))) release(standIn)
}

/** As `releaseUnwanted`, for images. */
export const releaseUnwantedImages = (images: readonly Delivered[], wanted: readonly Delivered[]): void =>
  releaseUnwanted(images.map(textOf), wanted)

/** Lets go of the bytes of images that are stored, or wanted no more. */
export const releaseImages = (images: readonly Delivered[]): void => images.forEach((image) => release(textOf(image)))
