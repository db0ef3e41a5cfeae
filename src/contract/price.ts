import { z } from 'zod'
import { Usd } from './money.ts'

const Provenance = {
  as_of: z.iso.date().meta({ description: 'The day the price was read.' }),
  source_url: z.url(),
  note: z.string().optional(),
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

export const CostLine = z.object({ what: z.string(), quantity: z.number().int(), unit_amount: Usd, amount: Usd }).meta({ id: 'CostLine' })
export type CostLine = z.infer<typeof CostLine>

/** `billed`: the vendor said so. `computed`: our price rule on what was delivered. `unknown`: amount is null, never "0". */
export const CostBasis = z.enum(['billed', 'computed', 'unknown'])
export type CostBasis = z.infer<typeof CostBasis>
