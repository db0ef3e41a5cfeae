import { z } from 'zod'
import { JsonPointer } from './json-pointer.ts'

/** What one line of a vendor's price list is the price of. `none`: nothing that we sell. */
export const ListedPrice = z.enum([
  'image',
  'megapixel',
  'reference_image',
  'reference_megapixel',
  'text_input_token',
  'image_input_token',
  'image_output_token',
  'text_output_token',
  'none',
])
export type ListedPrice = z.infer<typeof ListedPrice>

const Field = z.string().min(1)

/** Where a vendor publishes its prices for programs, one list for each model, and how a line of it is read. */
export const PublishedPriceList = z
  .strictObject({
    url: z
      .string()
      .regex(/^(\/|https:\/\/)/, 'is neither a path nor an https address')
      .meta({
        description:
          'A path below `base_url`, or an address on one of `hosts`; of the latter the path alone is asked where the configuration has a `base_url` of its own. `{model}` is the vendor’s id.',
      }),
    public: z.boolean().default(false).meta({ description: 'It can be read without a key.' }),
    lines: JsonPointer.meta({ description: 'Each line; `*` is each entry of a list.' }),
    fields: z
      .strictObject({ amount: Field, unit: Field, what: Field.optional(), variant: Field.optional(), currency: Field.optional() })
      .meta({ description: 'The names of the fields of a line. `amount` is in US dollars, for one unit.' }),
    meanings: z
      .array(z.strictObject({ what: z.string().optional(), unit: z.string(), as: ListedPrice }))
      .min(1)
      .meta({ description: 'What a line is the price of, by its own words. A line that none of these has is reported as a new unit.' }),
  })
  .meta({ id: 'PublishedPriceList' })
export type PublishedPriceList = z.infer<typeof PublishedPriceList>
