import { z } from 'zod'
import { compareUsd, Usd } from './money.ts'

/** Pixels in one megapixel, for asking a size as well as for billing one. */
export const MEGAPIXEL = 1_048_576

/** Megapixels with two decimals, as vendors print them; not the rounding of any price. */
export const roundedMegapixels = (pixels: number): number => Math.round((pixels / MEGAPIXEL) * 100) / 100

const Provenance = {
  as_of: z.iso.date().meta({ description: 'The day the price was read.' }),
  source_url: z.url(),
  note: z.string().optional(),
  source: z
    .literal('configuration')
    .optional()
    .meta({ description: 'There where the operator’s configuration decides the amount; absent: as the vendor publishes it.' }),
}

const unit_amount = Usd.optional().meta({
  description: 'What one unit of the vendor’s own count costs, where its replies say how many were billed; a cost is then metered.',
})

/** One amount for each image, whatever its size; another where it is made of references, if `edit` says so. */
export const PerImagePrice = z
  .strictObject({
    kind: z.literal('per_image'),
    per_image: Usd,
    edit: Usd.nullable().optional().meta({
      description: 'An image made of references, where it does not cost the same. Null: nobody publishes it, so an edit has no quote.',
    }),
    unit_amount,
    ...Provenance,
  })
  .meta({ id: 'PerImagePrice' })

/**
 * First and further output megapixels, and reference megapixels. A megapixel is 1,048,576 pixels, rounded up for each
 * image on its own, at least one; a reference counts for at most `reference_cap_mp` (the vendor shrinks larger ones).
 */
export const MegapixelPrice = z
  .strictObject({
    kind: z.literal('megapixel'),
    first_output: Usd,
    extra_output: Usd,
    reference: Usd,
    rounding: z.literal('up_1048576'),
    reference_cap_mp: z.number().int().positive().nullable(),
    unit_amount,
    ...Provenance,
  })
  .meta({ id: 'MegapixelPrice' })

/** One amount for each image of a resolution tier, and for each reference image. */
export const PerTierPrice = z
  .strictObject({
    kind: z.literal('per_tier'),
    tiers: z
      .record(z.string(), Usd.nullable())
      .meta({ description: 'By the tier’s name. Null: nobody publishes it, so that tier has no quote.' }),
    reference: Usd.nullable().meta({ description: 'For each reference image. Null: nobody publishes it, so an edit has no quote.' }),
    unit_amount,
    ...Provenance,
  })
  .meta({ id: 'PerTierPrice' })

const Tokens = z.number().int().positive()

/** What a token of each kind costs. A quote needs to know the tokens of an image; the cost comes from the vendor’s own count. */
export const TokenPrice = z
  .strictObject({
    kind: z.literal('token'),
    per_million: z
      .strictObject({
        text_input: Usd.nullable(),
        image_input: Usd.nullable(),
        cached_input: Usd.nullable(),
        image_output: Usd.nullable(),
        text_output: Usd.nullable(),
      })
      .meta({
        description: 'US dollars for a million tokens of each kind. Null: not published, so a cost that has such tokens is unknown.',
      }),
    output_tokens: z
      .record(z.string(), z.union([Tokens, z.record(z.string(), Tokens)]))
      .nullable()
      .meta({
        description:
          'Image tokens of one image, by size (`1024x1024`) or tier, and by quality where that matters. Null: not published, so there is no quote.',
      }),
    reference_tokens: Tokens.nullable().meta({
      description: 'Image tokens of one reference. Null: not published, so an edit has no quote.',
    }),
    partial_tokens: Tokens.optional().meta({
      description: 'Image output tokens of one image that is shown on its way, where its vendor bills them beside those of the image.',
    }),
    ...Provenance,
  })
  .meta({ id: 'TokenPrice' })
export type TokenPrice = z.infer<typeof TokenPrice>

export const PriceRule = z.discriminatedUnion('kind', [PerImagePrice, MegapixelPrice, PerTierPrice, TokenPrice]).meta({ id: 'PriceRule' })
export type PriceRule = z.infer<typeof PriceRule>

/** What a provider takes outside the call, as callers see it: in percent of the price, a decimal such as `"5.5"`. */
export const SurchargePercentShown = z.string().nullable().meta({
  description:
    'What the provider takes outside the call, in percent of the price, as the configuration says; null: nothing. A line of its own in quotes and costs.',
})

/** What no image and no megapixel costs: from here on, cents were written as dollars. */
export const UNLIKELY_PRICE: Usd = '5'
/** Less than any vendor asks: below, a decimal point slipped. */
const LOWEST_PRICE: Usd = '0.0001'

/** A million tokens cost as much as many images. */
const UNLIKELY_MILLION: Usd = '1000'

/** The amounts of a rule, by the path of their field; what is not published is left out. */
export function amountsOf(rule: PriceRule): Readonly<Record<string, Usd>> {
  const known = (amounts: Readonly<Record<string, Usd | null>>, under = ''): Record<string, Usd> =>
    Object.fromEntries(Object.entries(amounts).flatMap(([field, amount]) => (amount === null ? [] : [[`${under}${field}`, amount]])))
  switch (rule.kind) {
    case 'per_image':
      return known({ per_image: rule.per_image, edit: rule.edit ?? null })
    case 'megapixel':
      return { first_output: rule.first_output, extra_output: rule.extra_output, reference: rule.reference }
    case 'per_tier':
      return { ...known(rule.tiers, 'tiers.'), ...known({ reference: rule.reference }) }
    case 'token':
      return known(rule.per_million, 'per_million.')
  }
}

/** A price as a vendor publishes it, each amount within what is likely for one image or megapixel, or for a million tokens. */
export const PublishedPrice = PriceRule.superRefine((rule, context) => {
  const [unlikely, what] = rule.kind === 'token' ? [UNLIKELY_MILLION, 'a million tokens'] : [UNLIKELY_PRICE, 'one image or megapixel']
  for (const [field, amount] of Object.entries(amountsOf(rule))) {
    if (compareUsd(amount, LOWEST_PRICE) >= 0 && compareUsd(amount, unlikely) < 0) continue
    const message = `${amount} is no likely price: US dollars (not cents) for ${what}, from ${LOWEST_PRICE} to below ${unlikely}`
    context.addIssue({ code: 'custom', path: field.split('.'), message })
  }
})

export const CostLine = z.object({ what: z.string(), quantity: z.number().int(), unit_amount: Usd, amount: Usd }).meta({ id: 'CostLine' })
export type CostLine = z.infer<typeof CostLine>

/**
 * `billed`: the vendor said the amount. `metered`: the vendor said the quantity (tokens, units), and the amount is that times our dated price.
 * `computed`: our price rule on what was delivered. `unknown`: amount is null, never "0".
 */
export const CostBasis = z.enum(['billed', 'metered', 'computed', 'unknown'])
export type CostBasis = z.infer<typeof CostBasis>
