import { MEGAPIXEL } from '#contract'
import type { Applied, SizeTier, TierSize } from '#contract'
import { factorBetween, idealSize, pixelsOf, ratioChange, shapeOf, type Size } from './size.ts'

/** One of an offer's shapes at one of its resolutions. */
export interface TierChoice {
  readonly aspectRatio: string
  readonly tier: SizeTier
  /** As the provider publishes it, else calculated from shape and megapixels. */
  readonly size: Size
  readonly isPublished: boolean
}

/** The shape nearest in ratio, then the resolution nearest in pixels; of equally near ones the first shape, and the resolution with fewer pixels. */
export function nearestTier(wanted: Size, limit: TierSize): TierChoice {
  return nearestOf(nearestOf(shapesOf(limit), ({ shape }) => ratioChange(shape, wanted)).choices, ({ size }) =>
    factorBetween(pixelsOf(size), pixelsOf(wanted)),
  )
}

interface Shape {
  readonly shape: Size
  /** With fewest pixels first. */
  readonly choices: readonly TierChoice[]
}

/** Calculated once: each request asks every offer of its model, whether it can be used or not. */
const shapesOfLimits = new WeakMap<TierSize, readonly Shape[]>()

function shapesOf(limit: TierSize): readonly Shape[] {
  const known = shapesOfLimits.get(limit)
  if (known) return known
  const shapes = limit.aspect_ratios.map((ratio) => ({
    shape: shapeOf(ratio),
    choices: limit.tiers.map((tier) => choiceOf(tier, ratio)).toSorted((left, right) => pixelsOf(left.size) - pixelsOf(right.size)),
  }))
  shapesOfLimits.set(limit, shapes)
  return shapes
}

function choiceOf(tier: SizeTier, aspectRatio: string): TierChoice {
  const published = tier.pixels?.[aspectRatio]
  const size = published ?? idealSize(shapeOf(aspectRatio), tier.megapixels * MEGAPIXEL)
  return { aspectRatio, tier, size, isPublished: published !== undefined }
}

/** Every size the offer sells, as far as it can be calculated. */
export const sizesOf = (limit: TierSize): readonly Size[] =>
  limit.tiers.flatMap((tier) => limit.aspect_ratios.map((ratio) => choiceOf(tier, ratio).size))

/** What an adapted request buys; null where it names no tier of the offer, or leaves the shape to a reference. */
export function appliedTier({ aspect_ratio: aspectRatio, tier: name }: Applied, limit: TierSize): TierChoice | null {
  const tier = limit.tiers.find((one) => one.name === name)
  return tier === undefined || aspectRatio === undefined ? null : choiceOf(tier, aspectRatio)
}

/** What is left of rounding. */
const EQUAL = 1e-9

function nearestOf<Item>(items: readonly Item[], distanceOf: (item: Item) => number): Item {
  return items.reduce((best, item) => (distanceOf(item) < distanceOf(best) - EQUAL ? item : best))
}
