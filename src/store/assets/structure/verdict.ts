import type { Size } from './orientation.ts'

/** What it takes to decode an image, in bytes, as its headers say: known before a decoder sees it. */
export interface Demand {
  /** Held at once whatever is made of it, since no row can be had before the last byte. */
  readonly wholeBytes: number
  /** Of a row as it leaves the decoder. */
  readonly rowBytes: number
  readonly rows: number
  /** All of its pixels: what takes time. */
  readonly pixelBytes: number
}

/** Of what has no headers: never decoded. */
export const UNKNOWN_DEMAND: Demand = { wholeBytes: Infinity, rowBytes: 0, rows: 0, pixelBytes: Infinity }

/**
 * What an image's structure says of it. `whole`: nothing is missing, found without computing a pixel. `doubtful`: only a decoder can say.
 * `damaged`: it is not whole, or it is something else besides an image.
 */
export type Verdict =
  | { readonly kind: 'whole' }
  | { readonly kind: 'doubtful'; readonly why: string; readonly demand: Demand }
  | { readonly kind: 'damaged'; readonly why: string }

/** Judges an image of one format while its bytes stream past, in pieces of any size. Keeps a segment's header at most. */
export interface Structure {
  take(bytes: Buffer): void
  /** After the last byte. */
  verdict(): Verdict
  /** Null until its headers were read. */
  demand(): Demand | null
  /**
   * As seen: an EXIF orientation that turns the image by a quarter swaps the sides. Null while its headers do not say it.
   * @param isLast no more bytes will come: where only the orientation is unknown, the sides as they lie in the file are the answer
   */
  size(isLast: boolean): Size | null
}

export const WHOLE: Verdict = { kind: 'whole' }
export const doubtful = (why: string, demand: Demand | null): Verdict => ({ kind: 'doubtful', why, demand: demand ?? UNKNOWN_DEMAND })
export const damaged = (why: string): Verdict => ({ kind: 'damaged', why })

/** Zeros and white space: what some servers and encoders leave behind an image. Anything else there is another file. */
export const isPadding = (byte: number): boolean => byte === 0 || byte === 0x0a || byte === 0x0d || byte === 0x20 || byte === 0x09

/** The first index from `at` on that is no padding; the length where there is none. */
export function behindPadding(bytes: Uint8Array, at: number): number {
  while (at < bytes.length && isPadding(bytes[at] ?? 0)) at++
  return at
}
