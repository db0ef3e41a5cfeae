import { MEGAPIXEL } from '#contract'
import type { SizeLimit, Warning } from '#contract'
import type { Reference } from '../records.ts'
import { adjusted, type Finding, type PlannedRequest } from './finding.ts'
import { describeRange } from './range.ts'
import {
  DEFAULT_SIZE,
  factorBetween,
  idealSize,
  isNearEnough,
  nearestSize,
  pixelsOf,
  ratioChange,
  shapeOf,
  sizeForShape,
  type Size,
} from './size.ts'

/** From here on a caller who asked for a shape gets a warning that it was met only nearly. */
const RATIO_TOLERANCE = 1.02
const PIXEL_TOLERANCE = 1.1

/**
 * The width and height to ask an offer for. Explicit sizes are kept or moved to the nearest legal one; `aspect_ratio` and `megapixels`
 * become a size; without any of them the first reference decides, else 1024×1024.
 */
export function adaptSize(request: PlannedRequest, references: readonly Reference[], limit: SizeLimit): Finding {
  const { width, height, aspect_ratio: aspectRatio, megapixels } = request
  if (width !== undefined && height !== undefined) return explicitSize({ width, height }, limit)
  if (aspectRatio !== undefined || megapixels !== undefined) return shapedSize(aspectRatio, megapixels, limit)
  const [first] = references
  if (first === undefined) return defaultSize(limit)
  if (limit.follows_reference && !limit.required)
    return { assumptions: ['No size is sent: the image comes back in the size of the first reference image.'] }
  return sizeOfReference(first, limit)
}

function explicitSize(asked: Size, limit: SizeLimit): Finding {
  const size = nearestSize(asked, limit)
  if (size === null || !isNearEnough(asked, size))
    return { reasons: [impossible('width, height', `${dimensions(asked)} was asked`, limit)] }
  return { applied: size, warnings: sidesChanged(asked, size, (side) => asked[side], describeSize(limit)) }
}

function shapedSize(aspectRatio: string | undefined, megapixels: number | undefined, limit: SizeLimit): Finding {
  const shape = shapeOf(aspectRatio ?? '1:1')
  const pixels = (megapixels ?? 1) * MEGAPIXEL
  const size = sizeForShape(shape, pixels, limit)
  if (size === null || !isNearEnough(idealSize(shape, pixels), size))
    return {
      reasons: [
        impossible(
          aspectRatio === undefined ? 'megapixels' : 'aspect_ratio',
          `the shape ${aspectRatio ?? '1:1'} at ${megapixels ?? 1} megapixels was asked`,
          limit,
        ),
      ],
    }
  const warnings: Warning[] = []
  const reason = `The nearest legal size is ${dimensions(size)}: ${lowerFirst(describeSize(limit))}`
  if (ratioChange(shape, size) > RATIO_TOLERANCE) warnings.push(adjusted('aspect_ratio', aspectRatio ?? null, ratioText(size), reason))
  if (factorBetween(pixelsOf(size), pixels) > PIXEL_TOLERANCE)
    warnings.push(adjusted('megapixels', megapixels ?? null, Number((pixelsOf(size) / MEGAPIXEL).toFixed(4)), reason))
  return { applied: size, warnings }
}

function defaultSize(limit: SizeLimit): Finding {
  const size = nearestSize(DEFAULT_SIZE, limit)
  return size === null ? { reasons: [impossible('width, height', 'none was asked', limit)] } : { applied: size }
}

/** For offers that would not follow the reference by themselves. A reference size that is legal as it is needs no warning. */
function sizeOfReference(first: Reference, limit: SizeLimit): Finding {
  const { pixels } = first
  const wanted = pixels ?? DEFAULT_SIZE
  const size = nearestSize(wanted, limit)
  if (size === null || !isNearEnough(wanted, size))
    return { reasons: [impossible('reference_images', `the first one is ${dimensions(wanted)}`, limit)] }
  if (pixels === null) {
    const reason = 'This offer does not take its size from a reference image, and that of the first one cannot be seen.'
    return { applied: size, warnings: [adjusted('width', null, size.width, reason), adjusted('height', null, size.height, reason)] }
  }
  const reason = `The first reference image is ${dimensions(pixels)}, and ${lowerFirst(describeSize(limit))}`
  return {
    applied: size,
    warnings: sidesChanged(pixels, size, () => null, reason),
    assumptions: ['Width and height are taken from the first reference image.'],
  }
}

const sidesChanged = (asked: Size, used: Size, requested: (side: 'width' | 'height') => number | null, reason: string): Warning[] =>
  (['width', 'height'] as const)
    .filter((side) => asked[side] !== used[side])
    .map((side) => adjusted(side, requested(side), used[side], reason))

const impossible = (field: string, what: string, limit: SizeLimit): string =>
  `${field}: ${what}, and no legal size is near it; ${lowerFirst(describeSize(limit))}`

function describeSize(limit: SizeLimit): string {
  const pixels = limit.max_pixels === null ? '' : `, at most ${limit.max_pixels} pixels in all`
  return `This offer takes widths of ${describeRange(limit.width)} and heights of ${describeRange(limit.height)}${pixels}.`
}

function ratioText(size: Size): string {
  const divisor = greatestCommonDivisor(size.width, size.height)
  return `${size.width / divisor}:${size.height / divisor}`
}

const greatestCommonDivisor = (left: number, right: number): number => (right === 0 ? left : greatestCommonDivisor(right, left % right))
const dimensions = (size: Size): string => `${size.width}×${size.height}`
const lowerFirst = (sentence: string): string => sentence.charAt(0).toLowerCase() + sentence.slice(1)
