import { z } from 'zod'
import { amountsOf, MEGAPIXEL } from '#contract'
import type { Limits, Model, PriceRule, RangeSize, TierSize } from '#contract'
import { sizesOf } from '../../../core/plan/tier-size.ts'

const OfferFacts = z.object({
  provider: z.string(),
  enabled: z.boolean(),
  reason: z.string().nullable().describe('Why it is not enabled.'),
  price: z.string().nullable().describe('In words, US dollars. null: no published price, so refused under any max_price_usd.'),
  price_as_of: z.string().nullable().describe('The day the price was read.'),
  size: z.object({
    min_width: z.number(),
    max_width: z.number(),
    min_height: z.number(),
    max_height: z.number(),
    step: z.number().describe('Width and height are multiples of this.'),
    max_pixels: z.number().nullable(),
    max_megapixels: z.number().describe('The largest image, in megapixels of 1,048,576 pixels.'),
    aspect_ratios: z
      .array(z.string())
      .optional()
      .describe('The only shapes, where the offer sells shapes and resolutions instead of pixels.'),
    tiers: z
      .array(z.string())
      .optional()
      .describe('Its resolutions then; the sizes beside them are about those of the smallest and the largest.'),
  }),
  max_reference_images: z.number().describe('0: takes none.'),
  output_formats: z.array(z.string()),
  takes: z.array(z.string()).describe('Which of seed, guidance, steps, output_quality, safety_tolerance, prompt_upsampling it honours.'),
  latency_p50_ms: z.number().nullable().describe('Measured; null before anything was.'),
  latency_samples: z.number().nullable().describe('How many tasks it is taken from.'),
})

export const ModelFacts = z.object({
  models: z.array(
    z.object({
      id: z.string().describe('What generate, quote and compare take as model.'),
      alias_of: z.string().nullable(),
      offers: z.array(OfferFacts).describe('Who makes it, for how much, within which limits.'),
    }),
  ),
})
type ModelFact = z.infer<typeof ModelFacts>['models'][number]
type OfferFact = ModelFact['offers'][number]

export const modelFact = ({ id, alias_of, offers }: Model): ModelFact => ({
  id,
  alias_of,
  offers: offers.map(({ provider, enabled, reason, limits, price, latency_ms }) => ({
    provider,
    enabled,
    reason,
    price: price && priceText(price),
    price_as_of: price?.as_of ?? null,
    size: sizeFact(limits),
    max_reference_images: limits.reference_images.max,
    output_formats: limits.output_format.values,
    takes: taken(limits),
    latency_p50_ms: latency_ms?.p50 ?? null,
    latency_samples: latency_ms?.samples ?? null,
  })),
})

export function modelText({ id, alias_of, offers }: ModelFact): string {
  const name = alias_of === null ? id : `${id} (alias of ${alias_of})`
  return `${name}: ${offers.map(offerText).join('; ')}`
}

const offerText = ({ provider, enabled, reason, price, size }: OfferFact): string =>
  enabled
    ? `${provider} ${price ?? 'without a published price'}, up to ${size.max_megapixels} megapixels (${size.max_width}×${size.max_height} at most)`
    : `${provider} disabled (${reason ?? 'no reason given'})`

function priceText(price: PriceRule): string {
  switch (price.kind) {
    case 'per_image':
      return `${price.per_image} USD per image`
    case 'megapixel':
      return `${price.first_output} USD first megapixel, ${price.extra_output} each further, ${price.reference} per reference megapixel`
    case 'per_tier':
      return `per image by tier: ${Object.entries(price.tiers)
        .map(([tier, amount]) => `${tier} ${amount ?? 'not published'}`)
        .join(', ')}${price.reference === null ? '; an edit has no published price' : `; ${price.reference} per reference image`}`
    case 'token':
      return `by tokens, USD per million: ${Object.entries(amountsOf(price))
        .map(([field, amount]) => `${field.replace('per_million.', '')} ${amount}`)
        .join(', ')}`
  }
}

const sizeFact = ({ size }: Limits): OfferFact['size'] => (size.kind === 'range' ? rangeFact(size) : tierFact(size))

/** From the exact or calculated sizes of its shapes and resolutions. */
function tierFact(limit: TierSize): OfferFact['size'] {
  const sizes = sizesOf(limit).map(({ width, height }) => ({ width: Math.round(width), height: Math.round(height) }))
  const widths = sizes.map(({ width }) => width)
  const heights = sizes.map(({ height }) => height)
  const largest = Math.max(...sizes.map(({ width, height }) => width * height))
  return {
    min_width: Math.min(...widths),
    max_width: Math.max(...widths),
    min_height: Math.min(...heights),
    max_height: Math.max(...heights),
    step: 1,
    max_pixels: null,
    max_megapixels: Math.floor((largest / MEGAPIXEL) * 100) / 100,
    aspect_ratios: limit.aspect_ratios,
    tiers: limit.tiers.map(({ name }) => name),
  }
}

const rangeFact = (size: RangeSize): OfferFact['size'] => ({
  min_width: size.width.min,
  max_width: size.width.max,
  min_height: size.height.min,
  max_height: size.height.max,
  step: size.width.step ?? 1,
  max_pixels: size.max_pixels,
  max_megapixels: largestMegapixels(size),
})

/** Rounded down to a hundredth. */
function largestMegapixels({ width, height, max_pixels }: RangeSize): number {
  const pixels = Math.min(width.max * height.max, max_pixels ?? Infinity)
  return Math.floor((pixels / MEGAPIXEL) * 100) / 100
}

function taken(limits: Limits): string[] {
  const ranges = (['seed', 'guidance', 'steps', 'output_quality', 'safety_tolerance'] as const).filter((name) => limits[name] !== null)
  return limits.prompt_upsampling.settable ? [...ranges, 'prompt_upsampling'] : ranges
}
