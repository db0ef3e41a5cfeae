import { z } from 'zod'
import { PriceRule, SurchargePercentShown } from './price.ts'

/** What one offer costs, as an entry of the whole catalogue of prices. */
export const PriceEntry = z
  .object({
    object: z.literal('price'),
    model: z.string(),
    provider: z.string(),
    provider_model: z.string(),
    currency: z.literal('USD'),
    price: PriceRule.nullable().meta({ description: 'The rule; null where nobody publishes a price.' }),
    surcharge_percent: SurchargePercentShown,
    as_of: z.iso.date().nullable().meta({ description: 'The day the price was read, or agreed; null where there is none.' }),
    source_url: z.string().nullable().meta({ description: 'The page it was read from; null where there is none.' }),
  })
  .meta({ id: 'PriceEntry' })
export type PriceEntry = z.infer<typeof PriceEntry>
