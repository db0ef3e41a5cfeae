import { z } from 'zod'
import { compareUsd, UNLIKELY_PRICE, Usd } from '#contract'

const Price = Usd.refine((amount) => !amount.startsWith('-'), 'a price is not negative').refine(
  (amount) => !Usd.safeParse(amount).success || compareUsd(amount, UNLIKELY_PRICE) < 0,
  `a price is in US dollars (not cents) for one image or megapixel, below ${UNLIKELY_PRICE}`,
)

/** For a million tokens. */
const TokenAmount = Usd.refine((amount) => !amount.startsWith('-'), 'a price is not negative')
const Tokens = z.number().int().positive()

const as_of = z.iso.date().optional().meta({ description: 'The day it was agreed. Default: the day this file was last written.' })

/** The operator's own price of one model at one provider, instead of the manifest's. */
export const PriceOverride = z
  .union(
    [
      z.strictObject({ per_image: Price.meta({ description: 'One amount for each image, whatever its size.' }), as_of }),
      z.strictObject({
        first_output: Price.meta({ description: 'First output megapixel of an image.' }),
        extra_output: Price.meta({ description: 'Each further output megapixel.' }),
        reference: Price.meta({ description: 'Each megapixel of a reference image.' }),
        as_of,
      }),
      z.strictObject({
        tiers: z.record(z.string(), Price).meta({ description: 'An image of each resolution tier, by the tier’s name.' }),
        reference: Price.optional().meta({ description: 'Each reference image. Default: not agreed, so that an edit has no quote.' }),
        as_of,
      }),
      z.strictObject({
        per_million: z
          .strictObject({
            text_input: TokenAmount.optional(),
            image_input: TokenAmount.optional(),
            cached_input: TokenAmount.optional(),
            image_output: TokenAmount.optional(),
            text_output: TokenAmount.optional(),
          })
          .meta({ description: 'US dollars for a million tokens of each kind.' }),
        output_tokens: z
          .record(z.string(), z.union([Tokens, z.record(z.string(), Tokens)]))
          .optional()
          .meta({ description: 'Image tokens of one image, by size ("1024x1024") or tier, and by quality. Default: the manifest’s.' }),
        reference_tokens: Tokens.optional().meta({ description: 'Image tokens of one reference image. Default: the manifest’s.' }),
        as_of,
      }),
    ],
    {
      error:
        'either { per_image: "0.028" } or { first_output: "0.03", extra_output: "0.015", reference: "0.015" } or { tiers: { 1k: "0.04" } } or { per_million: { image_output: "30" } }, as decimal strings',
    },
  )
  .meta({ description: 'The price agreed with this provider, in US dollars.' })
export type PriceOverride = z.infer<typeof PriceOverride>

export const DiscountPercent = z
  .number()
  .min(0)
  .max(100)
  .multipleOf(0.01)
  .meta({ description: 'Taken off every published price of this provider; a price given under `prices` is final and not discounted.' })

export const SurchargePercent = z
  .union([z.string().regex(/^\d{1,3}(\.\d{1,6})?$/, 'a decimal, for example "5.5"'), z.number().min(0).max(999).transform(String)])
  .meta({
    description:
      'What this provider takes outside the call, in percent of it, such as a fee on buying credit: "5.5". It is a line of its own in quotes and costs, and offers are compared with it.',
  })
