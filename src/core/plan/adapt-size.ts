import { MEGAPIXEL } from '#contract'
import type { RangeSize, SizeLimit, Warning } from '#contract'
import type { Reference } from '../records.ts'
import { adjusted, type Finding, type PlannedRequest } from './finding.ts'
import { adaptTier } from './adapt-tier.ts'
import { describeRange } from './range.ts'
import {
  DEFAULT_SIZE,
  factorBetween,
  idealSize,
  isNearEnough,
  nearestSize,
  pixelsOf,
  RATIO_TOLERANCE,
  ratioChange,
  sizeForShape,
  type Size,
} from './size.ts'
import { ratioText, wantedSizeOf } from './wanted-size.ts'

/** From here on a caller who asked for a shape gets a warning that its pixels were met only nearly. */
const PIXEL_TOLERANCE = 1.1

/**
 * What to ask an offer for: a width and height, or, where it sells ratio × tier, the nearest of those. Explicit sizes are kept or moved to
 * the nearest legal one; `aspect_ratio` and `megapixels` become a size; without any of them the first reference decides, else 1024×1024.
 */
export function adaptSize(request: PlannedRequest, references: readonly Reference[], limit: SizeLimit): Finding {
  const wanted = wantedSizeOf(request, references)
  if (limit.kind === 'tier') return adaptTier(wanted, limit)
  switch (wanted.kind) {
    case 'size':
      return explicitSize(wanted.size, limit)
    case 'shape':
      return shapedSize(request, wanted.shape, wanted.pixels, limit)
    case 'usual':
      return defaultSize(limit)
    case 'reference':
      if (limit.follows_reference && !limit.required)
        return { assumptions: ['No size is sent: the image comes back in the size of the first reference image.'] }
      return sizeOfReference(wanted.size, limit)
  }
}

function explicitSize(asked: Size, limit: RangeSize): Finding {
  const size = nearestSize(asked, limit)
  if (size === null || !isNearEnough(asked, size))
    return { reasons: [impossible('width, height', `${dimensions(asked)} was asked`, limit)] }
  return {
    applied: size,
    warnings: sidesChanged(
      asked,
      size,
      (side) => asked[side],
      () => describeSize(limit),
    ),
  }
}

/** `asked` is null where it is that of a first reference which nobody has seen: 1:1 stands for it, and a warning says so. */
function shapedSize(request: PlannedRequest, asked: Size | null, pixels: number, limit: RangeSize): Finding {
  const { aspect_ratio: aspectRatio, megapixels } = request
  const shape = asked ?? { width: 1, height: 1 }
  const size = sizeForShape(shape, pixels, limit)
  if (size === null || !isNearEnough(idealSize(shape, pixels), size))
    return {
      reasons: [
        impossible(
          aspectRatio === undefined ? 'megapixels' : 'aspect_ratio',
          `the shape ${aspectRatio ?? ratioText(shape)} at ${megapixels ?? 1} megapixels was asked`,
          limit,
        ),
      ],
    }
  const warnings: Warning[] = []
  const reason = () => `The nearest legal size is ${dimensions(size)}: ${lowerFirst(describeSize(limit))}`
  if (asked === null)
    warnings.push(adjusted('aspect_ratio', null, ratioText(size), 'The shape of the first reference image cannot be seen.'))
  else if (ratioChange(shape, size) > RATIO_TOLERANCE)
    warnings.push(adjusted('aspect_ratio', aspectRatio ?? null, ratioText(size), reason()))
  if (factorBetween(pixelsOf(size), pixels) > PIXEL_TOLERANCE)
    warnings.push(adjusted('megapixels', megapixels ?? null, Number((pixelsOf(size) / MEGAPIXEL).toFixed(4)), reason()))
  return { applied: size, warnings }
}

function defaultSize(limit: RangeSize): Finding {
  const size = nearestSize(DEFAULT_SIZE, limit)
  return size === null ? { reasons: [impossible('width, height', 'none was asked', limit)] } : { applied: size }
}

/** For offers that would not follow the reference by themselves. A reference size that is legal as it is needs no warning. */
function sizeOfReference(pixels: Size | null, limit: RangeSize): Finding {
  const wanted = pixels ?? DEFAULT_SIZE
  const size = nearestSize(wanted, limit)
  if (size === null || !isNearEnough(wanted, size))
    return { reasons: [impossible('reference_images', `the first one is ${dimensions(wanted)}`, limit)] }
  if (pixels === null) {
    const reason = 'This offer does not take its size from a reference image, and that of the first one cannot be seen.'
    return { applied: size, warnings: [adjusted('width', null, size.width, reason), adjusted('height', null, size.height, reason)] }
  }
  const reason = () => `The first reference image is ${dimensions(pixels)}, and ${lowerFirst(describeSize(limit))}`
  return {
    applied: size,
    warnings: sidesChanged(pixels, size, () => null, reason),
    assumptions: ['Width and height are taken from the first reference image.'],
  }
}

/** The reason is put into words only where a side has changed: the usual request needs none. */
const sidesChanged = (asked: Size, used: Size, requested: (side: 'width' | 'height') => number | null, reason: () => string): Warning[] =>
  (['width', 'height'] as const)
    .filter((side) => asked[side] !== used[side])
    .map((side) => adjusted(side, requested(side), used[side], reason()))

const impossible = (field: string, what: string, limit: RangeSize): string =>
  `${field}: ${what}, and no legal size is near it; ${lowerFirst(describeSize(limit))}`

function describeSize(limit: RangeSize): string {
  const { min_pixels: least, max_pixels: most, max_ratio: ratio } = limit
  const bounds = [
    ...(least === undefined ? [] : [`at least ${least} pixels in all`]),
    ...(most === null ? [] : [`at most ${most} pixels in all`]),
    ...(ratio === undefined ? [] : [`the longer side at most ${ratio} times the shorter`]),
  ]
  const ranges = `widths of ${describeRange(limit.width)} and heights of ${describeRange(limit.height)}`
  return `This offer takes ${[ranges, ...bounds].join(', ')}.`
}

const dimensions = (size: Size): string => `${size.width}×${size.height}`
const lowerFirst = (sentence: string): string => sentence.charAt(0).toLowerCase() + sentence.slice(1)
