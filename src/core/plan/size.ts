import { MEGAPIXEL } from '#contract'
import type { Range, RangeSize } from '#contract'
import { clamp, highest, isInRange, lowest, neighbours } from './range.ts'

export interface Size {
  readonly width: number
  readonly height: number
}

/** Asked for where a request gives neither a size nor a reference, so that the same request has the same shape and price everywhere. */
export const DEFAULT_SIZE: Size = { width: 1024, height: 1024 }

/** An aspect ratio such as "3:2" or "2.35:1". */
export function shapeOf(aspectRatio: string): Size {
  const [width = 1, height = 1] = aspectRatio.split(':').map(Number)
  return { width, height }
}

/** The most that the area of a near image differs from the one requested. */
export const NEAR_AREA = 0.03

export const isNearArea = (wanted: Size, made: Size): boolean => Math.abs(pixelsOf(made) / pixelsOf(wanted) - 1) <= NEAR_AREA

/** Whether each side is off by at most one step of the grid. */
export const areNearSides = (wanted: Size, made: Size, limit: RangeSize): boolean =>
  (['width', 'height'] as const).every((side) => Math.abs(made[side] - wanted[side]) <= (limit[side].step ?? 1))

/** From here on a caller who asked for a shape gets a warning that it was met only nearly. */
export const RATIO_TOLERANCE = 1.02

/** Further from what was asked, a shape is another one. */
export const MAX_RATIO_CHANGE = 2
const MAX_GROWTH = 2

/** A ratio error of 2 % weighs as much as a pixel error of 10 %: the two thresholds at which a caller is warned. */
const RATIO_WEIGHT = 5

/** Bounds the search where a shape is far from anything legal. */
const MAX_REACH = 1.5

/** Tolerance for the last bits of a square root. */
const ROUNDING = 1 + 1e-9

export const pixelsOf = (size: Size): number => size.width * size.height

/** In whole pixels, where a size is only calculated from a shape and has sides with fractions. */
export const wholePixelsOf = (size: Size): number => Math.round(pixelsOf(size))

/** Megapixels as billed: a begun one counts whole, at least one. */
export const billedMegapixels = (size: Size): number => Math.max(1, Math.ceil(wholePixelsOf(size) / MEGAPIXEL))

/** How far two positive numbers are apart, as a factor of at least 1. */
export const factorBetween = (left: number, right: number): number => Math.max(left / right, right / left)

export const ratioChange = (left: Size, right: Size): number => factorBetween(left.width / left.height, right.width / right.height)

/**
 * Whether a legal size still is what was asked: its ratio within a factor of two, and, beyond one megapixel, at most twice the pixels, so
 * that a sliver like 10000×10 is refused instead of being bent into another shape or grown into megapixels nobody asked to pay.
 */
export const isNearEnough = (wanted: Size, legal: Size): boolean =>
  ratioChange(wanted, legal) <= MAX_RATIO_CHANGE && pixelsOf(legal) <= Math.max(MEGAPIXEL, MAX_GROWTH * pixelsOf(wanted))

export const isLegalSize = (size: Size, limit: RangeSize): boolean =>
  isInRange(size.width, limit.width) &&
  isInRange(size.height, limit.height) &&
  pixelsOf(size) <= maxPixels(limit) &&
  pixelsOf(size) >= minPixels(limit) &&
  factorBetween(size.width, size.height) <= maxRatio(limit)

/**
 * The legal size nearest to a width and height. A legal size is returned untouched. One that is too large or too small is first scaled
 * into the limits in its own shape; then, of the grid points around it, the one with the smallest sum of errors in width, height and shape
 * wins, each as a share of what is wanted, so that a pixel less counts as much as a pixel more. Of equally near ones: see `least`.
 * Null where the limits hold no size at all. The shape can change where no legal size has it; see `isNearEnough`.
 */
export function nearestSize(wanted: Size, limit: RangeSize): Size | null {
  if (isLegalSize(wanted, limit)) return wanted
  const target = intoLimits(wanted, limit)
  const error = (size: Size): number => {
    const width = (size.width - target.width) / target.width
    const height = (size.height - target.height) / target.height
    return Math.abs(width) + Math.abs(height) + Math.abs(width - height)
  }
  const around = (reach: number): Size[] =>
    gridAround(limit.width, target.width, reach).flatMap((width) =>
      gridAround(limit.height, target.height, reach).map((height) => ({ width, height })),
    )
  // Where the least pixels and the longest shape meet, the points beside the target can all be illegal, and those after them are not.
  return least(around(0), limit, error) ?? least(around(1), limit, error) ?? least(around(3), limit, error)
}

/** The legal values on both sides of `value`, and `reach` steps further each way. */
function gridAround(range: Range, value: number, reach: number): readonly number[] {
  const step = range.step ?? 1
  const steps = Array.from({ length: 2 * reach + 1 }, (_, index) => (index - reach) * step)
  return [...new Set(steps.flatMap((distance) => neighbours(range, value + distance, 1)))]
}

/** The size of a shape with a number of pixels, off any grid. */
export const idealSize = (shape: Size, pixels: number): Size => {
  const ratio = shape.width / shape.height
  return { width: Math.sqrt(pixels * ratio), height: Math.sqrt(pixels / ratio) }
}

/**
 * The legal size for a shape and a number of pixels. The ideal size is scaled into the limits, then the grid around it is searched for
 * the least `5 × ratio error + pixel error`, both as absolute logarithms. The pixels aimed at are never exceeded, unless
 * the smallest legal image has more: a megapixel is billed as soon as it is begun, so one asked megapixel never becomes two paid ones.
 * Where that is far from what was asked, a near size goes before it, if its shape needs no warning: images of other offers are compared with it.
 */
export function sizeForShape(shape: Size, pixels: number, limit: RangeSize): Size | null {
  const ideal = idealSize(shape, pixels)
  const target = intoLimits(ideal, limit)
  const ratio = shape.width / shape.height
  const budget = pixelsOf(target)
  const error = (size: Size): number =>
    RATIO_WEIGHT * Math.abs(Math.log(size.width / size.height / ratio)) + Math.abs(Math.log(pixelsOf(size) / budget))
  const among = (widths: readonly number[], most: number): Size | null =>
    least(
      widths.flatMap((width) =>
        [...neighbours(limit.height, width / ratio, 1), ...neighbours(limit.height, budget / width, 1)]
          .map((height) => ({ width, height }))
          .filter((size) => pixelsOf(size) <= most),
      ),
      limit,
      error,
    )
  const search = (most: number): Size | null => {
    const near = among(neighbours(limit.width, target.width, 1), most)
    if (near === null) return null
    // A size whose error is at most e has a width within a factor of exp((1 + 1/5)·e/2) of the ideal one.
    const reach = Math.min(MAX_REACH, Math.exp(((1 + 1 / RATIO_WEIGHT) * error(near)) / 2))
    return among(widthsBetween(target.width / reach, target.width * reach, limit.width), most) ?? near
  }
  const isNear = (size: Size): boolean =>
    areNearSides(ideal, size, limit) && isNearArea(ideal, size) && ratioChange(shape, size) <= RATIO_TOLERANCE
  const near = (): Size | null => {
    const sizes = gridAround(limit.width, target.width, 0).flatMap((width) =>
      gridAround(limit.height, target.height, 0).map((height) => ({ width, height })),
    )
    return least(
      sizes.filter((size) => pixelsOf(size) <= budget * ROUNDING && isNear(size)),
      limit,
      error,
    )
  }
  const within = search(budget * ROUNDING)
  if (within !== null) return isNear(within) ? within : (near() ?? within)
  // Where the least pixels are the budget, what is legal lies just above it.
  return search(Number.POSITIVE_INFINITY) ?? nearestSize(target, limit)
}

const maxPixels = (limit: RangeSize): number => limit.max_pixels ?? Number.POSITIVE_INFINITY
const minPixels = (limit: RangeSize): number => limit.min_pixels ?? 0
const maxRatio = (limit: RangeSize): number => limit.max_ratio ?? Number.POSITIVE_INFINITY

/** A shape that is too long, bent as little as needed with as many pixels. */
function intoRatio(size: Size, limit: RangeSize): Size {
  const most = maxRatio(limit)
  if (factorBetween(size.width, size.height) <= most) return size
  return idealSize(size.width > size.height ? { width: most, height: 1 } : { width: 1, height: most }, pixelsOf(size))
}

/** The size scaled in its own shape as little as needed to fit the limits, off the grid still; bent where the shape itself does not fit. */
function intoLimits(wanted: Size, limit: RangeSize): Size {
  const size = intoRatio(wanted, limit)
  const low = { width: lowest(limit.width), height: lowest(limit.height) }
  const high = { width: highest(limit.width), height: highest(limit.height) }
  const greatestScale = Math.min(high.width / size.width, high.height / size.height, Math.sqrt(maxPixels(limit) / pixelsOf(size)))
  const leastScale = Math.max(low.width / size.width, low.height / size.height, Math.sqrt(minPixels(limit) / pixelsOf(size)))
  const scale = Math.min(greatestScale, Math.max(1, leastScale))
  const width = clamp(size.width * scale, low.width, high.width)
  const height = clamp(size.height * scale, low.height, high.height)
  if (width * height <= maxPixels(limit) * ROUNDING) return { width, height }
  return width / low.width > height / low.height
    ? { width: Math.max(low.width, maxPixels(limit) / height), height }
    : { width, height: Math.max(low.height, maxPixels(limit) / width) }
}

function widthsBetween(least: number, most: number, range: Range): readonly number[] {
  const step = range.step ?? 1
  const widths = []
  for (let width = neighbours(range, least, 1)[0] ?? least; width <= Math.min(most * ROUNDING, highest(range)); width += step)
    widths.push(width)
  return widths
}

/** Errors this near to each other are equal: what is left of rounding. */
const EQUAL = 1e-9

/** The legal candidate with the least error; of equals the one that buys fewer megapixels, and where all buy as many, the one with most pixels. */
function least(candidates: readonly Size[], limit: RangeSize, error: (size: Size) => number): Size | null {
  let best: Size | null = null
  let bestError = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    if (!isLegalSize(candidate, limit)) continue
    const candidateError = error(candidate)
    const isNearer = candidateError < bestError - EQUAL
    const isAsNear = candidateError <= bestError + EQUAL
    if (!isNearer && !(isAsNear && best && isCheaper(candidate, best))) continue
    best = candidate
    bestError = candidateError
  }
  return best
}

function isCheaper(one: Size, other: Size): boolean {
  const difference = billedMegapixels(one) - billedMegapixels(other)
  return difference === 0 ? pixelsOf(one) > pixelsOf(other) : difference < 0
}
