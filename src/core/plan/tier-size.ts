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
  const aspectRatio = nearestOf(limit.aspect_ratios, (ratio) => ratioChange(shapeOf(ratio), wanted))
  const choices = limit.tiers
    .map((tier) => choiceOf(tier, aspectRatio))
    .toSorted((left, right) => pixelsOf(left.size) - pixelsOf(right.size))
  return nearestOf(choices, ({ size }) => factorBetween(pixelsOf(size), pixelsOf(wanted)))
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
