import { z } from 'zod'
import { MEGAPIXEL } from '#contract'
import type { Limits, Model, PriceRule } from '#contract'

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
  }),
  max_reference_images: z.number().describe('0: takes none.'),
  output_formats: z.array(z.string()),
  takes: z.array(z.string()).describe('Which of seed, guidance, steps, output_quality, safety_tolerance, prompt_upsampling it honours.'),
  latency_p50_ms: z.number().nullable().describe('Measured; null before anything was.'),
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
  }
}

const sizeFact = ({ size }: Limits): OfferFact['size'] => ({
  min_width: size.width.min,
  max_width: size.width.max,
  min_height: size.height.min,
  max_height: size.height.max,
  step: size.width.step ?? 1,
  max_pixels: size.max_pixels,
  max_megapixels: largestMegapixels(size),
})

/** Rounded down to a hundredth. */
function largestMegapixels({ width, height, max_pixels }: Limits['size']): number {
  const pixels = Math.min(width.max * height.max, max_pixels ?? Infinity)
  return Math.floor((pixels / MEGAPIXEL) * 100) / 100
}

function taken(limits: Limits): string[] {
  const ranges = (['seed', 'guidance', 'steps', 'output_quality', 'safety_tolerance'] as const).filter((name) => limits[name] !== null)
  return limits.prompt_upsampling.settable ? [...ranges, 'prompt_upsampling'] : ranges
}
