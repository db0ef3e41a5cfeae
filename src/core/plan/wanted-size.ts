import { MEGAPIXEL } from '#contract'
import type { Reference } from '../records.ts'
import type { PlannedRequest } from './finding.ts'
import { DEFAULT_SIZE, idealSize, shapeOf, type Size } from './size.ts'

/** What a request says of the size of its images, before any offer is considered. */
export type WantedSize =
  /** Width and height. */
  | { readonly kind: 'size'; readonly size: Size }
  /** A shape and a number of pixels, which is the usual one where nobody asked. `shape` is null where it is that of a first reference which nobody has seen. */
  | { readonly kind: 'shape'; readonly shape: Size | null; readonly pixels: number; readonly arePixelsAsked: boolean }
  /** That of the first reference; null where it cannot be seen. */
  | { readonly kind: 'reference'; readonly size: Size | null }
  /** Neither a size nor a reference: 1:1 at 1 megapixel. */
  | { readonly kind: 'usual' }

const SQUARE: Size = { width: 1, height: 1 }

/** `aspect_ratio` alone means 1 megapixel; `megapixels` alone keeps the first reference's ratio, else 1:1. */
export function wantedSizeOf(request: PlannedRequest, references: readonly Reference[]): WantedSize {
  const { width, height, aspect_ratio: ratio, megapixels } = request
  const [first] = references
  if (width !== undefined && height !== undefined) return { kind: 'size', size: { width, height } }
  if (ratio === undefined && megapixels === undefined) return first ? { kind: 'reference', size: first.pixels } : { kind: 'usual' }
  const shape = ratio === undefined ? (first ? first.pixels : SQUARE) : shapeOf(ratio)
  return { kind: 'shape', shape, pixels: (megapixels ?? 1) * MEGAPIXEL, arePixelsAsked: megapixels !== undefined }
}

/** The wanted width and height, off any grid; null where nobody knows them. */
export function sizeOfWanted(wanted: WantedSize): Size | null {
  switch (wanted.kind) {
    case 'size':
      return wanted.size
    case 'shape':
      return wanted.shape && idealSize(wanted.shape, wanted.pixels)
    case 'reference':
      return wanted.size
    case 'usual':
      return DEFAULT_SIZE
  }
}

/** `3:2`, of a size in whole pixels. */
export function ratioText(size: Size): string {
  const divisor = greatestCommonDivisor(size.width, size.height)
  return `${size.width / divisor}:${size.height / divisor}`
}

const greatestCommonDivisor = (left: number, right: number): number => (right === 0 ? left : greatestCommonDivisor(right, left % right))
