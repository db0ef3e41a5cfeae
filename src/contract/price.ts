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

/** One amount for each image, whatever its size. */
export const PerImagePrice = z.strictObject({ kind: z.literal('per_image'), per_image: Usd, ...Provenance }).meta({ id: 'PerImagePrice' })

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
    ...Provenance,
  })
  .meta({ id: 'MegapixelPrice' })

export const PriceRule = z.discriminatedUnion('kind', [PerImagePrice, MegapixelPrice]).meta({ id: 'PriceRule' })
export type PriceRule = z.infer<typeof PriceRule>

/** What no image and no megapixel costs: from here on, cents were written as dollars. */
export const UNLIKELY_PRICE: Usd = '5'
/** Less than any vendor asks: below, a decimal point slipped. */
const LOWEST_PRICE: Usd = '0.0001'

/** A price as a vendor publishes it, each amount within what is likely for one image or megapixel. */
export const PublishedPrice = PriceRule.superRefine((rule, context) => {
  const amounts =
    rule.kind === 'per_image'
      ? { per_image: rule.per_image }
      : { first_output: rule.first_output, extra_output: rule.extra_output, reference: rule.reference }
  for (const [field, amount] of Object.entries(amounts)) {
    if (compareUsd(amount, LOWEST_PRICE) >= 0 && compareUsd(amount, UNLIKELY_PRICE) < 0) continue
    const message = `${amount} is no likely price: US dollars (not cents) for one image or megapixel, from ${LOWEST_PRICE} to below ${UNLIKELY_PRICE}`
    context.addIssue({ code: 'custom', path: [field], message })
  }
})

export const CostLine = z.object({ what: z.string(), quantity: z.number().int(), unit_amount: Usd, amount: Usd }).meta({ id: 'CostLine' })
export type CostLine = z.infer<typeof CostLine>

/** `billed`: the vendor said the amount. `computed`: our price rule on what was delivered. `unknown`: amount is null, never "0". */
export const CostBasis = z.enum(['billed', 'computed', 'unknown'])
export type CostBasis = z.infer<typeof CostBasis>
