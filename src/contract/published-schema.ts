import { z } from 'zod'
import { JsonPointer } from './json-pointer.ts'

/** Where a vendor publishes its API for programs, as an OpenAPI document. */
export const PublishedSchema = z.strictObject({
  url: z
    .string()
    .regex(/^https:\/\//, 'is no https address')
    .meta({
      description:
        'Read without a key. `{path}` is the path of the submit of a model, without its first slash. Where the configuration has a `base_url` of its own, the same path is asked there.',
    }),
  unused: z
    .array(z.string())
    .default([])
    .meta({ description: 'Names of fields in it that we know and do not use. Any other that we do not send is reported as new.' }),
})
export type PublishedSchema = z.infer<typeof PublishedSchema>

/** A free call by which the vendor says what an order would cost. */
export const PriceEstimate = z.strictObject({
  path: z.string().startsWith('/'),
  model: z
    .strictObject({ at: JsonPointer, after: z.string().startsWith('/') })
    .meta({ description: 'Where the body names the model, which is the path of the submit after `after`.' }),
  order: JsonPointer.optional().meta({ description: 'Where the body of the submit stands whole.' }),
  fields: z
    .record(JsonPointer, JsonPointer)
    .default({})
    .meta({ description: 'By where a field of the submit stands in it: where the call has it.' }),
  amount: z.array(JsonPointer).min(1).meta({ description: 'Where the reply has the amount; the first that finds any counts.' }),
  unit: z.enum(['usd', 'cents']).default('usd'),
  before_buying: z
    .boolean()
    .default(false)
    .meta({ description: 'It is asked before each purchase that has a quote, and nothing is bought at more than that.' }),
})
export type PriceEstimate = z.infer<typeof PriceEstimate>
