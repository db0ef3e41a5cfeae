import { MEGAPIXEL } from '#contract'
import type { TierSize, Warning } from '#contract'
import { adjusted, type Finding } from './finding.ts'
import { DEFAULT_SIZE, factorBetween, idealSize, isNearEnough, MAX_RATIO_CHANGE, pixelsOf, ratioChange, type Size } from './size.ts'
import { nearestTier, type TierChoice } from './tier-size.ts'
import type { WantedSize } from './wanted-size.ts'

/** A shape or a number of pixels that is further off than this is said in a warning. */
const SAME_RATIO = 1 + 1e-9
const SAME_PIXELS = 1.03

/** The shape and the resolution to ask an offer for that takes no pixels: the nearest to what is wanted, or a reason why none is near. */
export function adaptTier(wanted: WantedSize, limit: TierSize): Finding {
  switch (wanted.kind) {
    case 'size':
      return explicitSize(wanted.size, limit)
    case 'shape':
      return wanted.shape === null ? shapeOfUnseen(wanted.pixels, limit) : shaped(wanted.shape, wanted, limit)
    case 'usual':
      return found(nearestTier(DEFAULT_SIZE, limit))
    case 'reference':
      return wanted.size === null ? shapeOfUnseen(MEGAPIXEL, limit) : sizeOfReference(wanted.size, limit)
  }
}

function explicitSize(asked: Size, limit: TierSize): Finding {
  const choice = nearestTier(asked, limit)
  if (!isNearEnough(asked, choice.size)) return { reasons: [impossible('width, height', `${dimensions(asked)} was asked`, limit)] }
  const reason = sentenceOf(choice, limit)
  const warnings = (['width', 'height'] as const)
    .filter((side) => !choice.isPublished || choice.size[side] !== asked[side])
    .map((side) => adjusted(side, asked[side], choice.isPublished ? choice.size[side] : boughtBy(choice), reason))
  return found(choice, warnings)
}

interface WantedPixels {
  readonly pixels: number
  readonly arePixelsAsked: boolean
}

function shaped(shape: Size, { pixels, arePixelsAsked }: WantedPixels, limit: TierSize): Finding {
  const ideal = idealSize(shape, pixels)
  const choice = nearestTier(ideal, limit)
  if (!(arePixelsAsked ? isNearEnough(ideal, choice.size) : isNearUnasked(ideal, choice, limit)))
    return { reasons: [impossible('aspect_ratio, megapixels', `${megapixelText(pixels)} megapixels in that shape were asked`, limit)] }
  return found(choice, differences(shape, pixels, choice, limit))
}

/** A reference that cannot be seen: where the offer follows it, only the resolution is asked for. */
function shapeOfUnseen(pixels: number, limit: TierSize): Finding {
  const choice = nearestTier(idealSize({ width: 1, height: 1 }, pixels), limit)
  if (limit.follows_reference)
    return {
      applied: { tier: choice.tier.name },
      assumptions: ['No aspect ratio is sent: the image comes back in that of the first reference image, which cannot be seen.'],
    }
  const reason = 'This offer does not take its shape from a reference image, and that of the first one cannot be seen.'
  return found(choice, [adjusted('aspect_ratio', null, choice.aspectRatio, reason)])
}

function sizeOfReference(size: Size, limit: TierSize): Finding {
  const choice = nearestTier(size, limit)
  if (!isNearUnasked(size, choice, limit))
    return { reasons: [impossible('reference_images', `the first one is ${dimensions(size)}`, limit)] }
  if (limit.follows_reference)
    return {
      applied: { tier: choice.tier.name },
      warnings: differences(size, pixelsOf(size), { ...choice, size: idealSize(size, pixelsOf(choice.size)) }, limit, true),
      assumptions: ['No aspect ratio is sent: the image comes back in that of the first reference image.'],
    }
  return found(choice, differences(size, pixelsOf(size), choice, limit, true))
}

/** Where nobody asked for a number of pixels, the only resolution of an offer is chosen with it, and its shape alone can be too far. */
const isNearUnasked = (wanted: Size, { size }: TierChoice, { tiers }: TierSize): boolean =>
  tiers.length === 1 ? ratioChange(wanted, size) <= MAX_RATIO_CHANGE : isNearEnough(wanted, size)

/** Where shape or resolution are not those that were wanted. What nobody asked for in words is `null` in `requested`. */
function differences(shape: Size, pixels: number, choice: TierChoice, limit: TierSize, isUnasked = false): readonly Warning[] {
  const reason = sentenceOf(choice, limit)
  const warnings: Warning[] = []
  if (ratioChange(shape, choice.size) > SAME_RATIO && !isSameShape(shape, choice))
    warnings.push(adjusted('aspect_ratio', isUnasked ? null : `${shape.width}:${shape.height}`, choice.aspectRatio, reason))
  if (factorBetween(pixelsOf(choice.size), pixels) > SAME_PIXELS)
    warnings.push(
      adjusted('megapixels', isUnasked ? null : megapixelText(pixels), Number((pixelsOf(choice.size) / MEGAPIXEL).toFixed(4)), reason),
    )
  return warnings
}

/** A published size is in whole pixels, so its shape is the asked one only nearly; what is bought is the asked one all the same. */
const isSameShape = (shape: Size, { aspectRatio }: TierChoice): boolean => {
  const [width = 1, height = 1] = aspectRatio.split(':').map(Number)
  return ratioChange(shape, { width, height }) <= SAME_RATIO
}

function found(choice: TierChoice, warnings: readonly Warning[] = []): Finding {
  const { aspectRatio, tier, size, isPublished } = choice
  const about = `The provider publishes no exact size for ${boughtBy(choice)}; it is about ${megapixelText(pixelsOf(size))} megapixels.`
  return {
    applied: { aspect_ratio: aspectRatio, tier: tier.name, ...(isPublished ? size : {}) },
    warnings,
    ...(isPublished ? {} : { assumptions: [about] }),
  }
}

const boughtBy = ({ aspectRatio, tier }: TierChoice): string => `${aspectRatio} at ${tier.name}`

const sentenceOf = (choice: TierChoice, limit: TierSize): string =>
  `This offer sells shapes and resolutions, not pixels: ${offered(limit)}. The nearest is ${boughtBy(choice)}.`

const offered = ({ aspect_ratios: ratios, tiers }: TierSize): string =>
  `${ratios.join(', ')} at ${tiers.map(({ name }) => name).join(', ')}`

const impossible = (field: string, what: string, limit: TierSize): string =>
  `${field}: ${what}, and nothing this offer sells is near it: ${offered(limit)}.`

const dimensions = (size: Size): string => `${size.width}×${size.height}`
const megapixelText = (pixels: number): number => Number((pixels / MEGAPIXEL).toFixed(4))
