import { z } from 'zod'
import { Usd } from './money.ts'
import { CostLine, PriceRule, SurchargePercentShown } from './price.ts'

const Example = z.object({ amount: Usd, lines: z.array(CostLine) }).nullable()

/** The arithmetic of a price, by three plain requests. */
export const PriceExamples = z
  .object({
    one_megapixel: Example.meta({ description: 'One square image of about one megapixel.' }),
    two_megapixels: Example.meta({ description: 'One square image of about two megapixels, or the nearest there is.' }),
    edit: Example.meta({ description: 'One square image of about one megapixel with one reference of 1024 x 1024.' }),
  })
  .meta({
    id: 'PriceExamples',
    description:
      'What a quote says, line by line, a surcharge as its own. Null where the offer cannot do it, or nobody publishes its price.',
  })
export type PriceExamples = z.infer<typeof PriceExamples>

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
    examples: PriceExamples,
    warning: z.string().nullable().meta({ description: 'There where the price was read more than 60 days ago: read it again.' }),
    source_url: z.string().nullable().meta({ description: 'The page it was read from; null where there is none.' }),
  })
  .meta({ id: 'PriceEntry' })
export type PriceEntry = z.infer<typeof PriceEntry>
