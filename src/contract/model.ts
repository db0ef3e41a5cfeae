import { z } from 'zod'
import { AnyJson } from './json.ts'
import { Limits } from './limits.ts'
import { PriceRule, SurchargePercentShown } from './price.ts'
import { Latency } from './quote.ts'

const ModelOffer = z
  .object({
    provider: z.string(),
    provider_model: z.string(),
    enabled: z.boolean(),
    reason: z.string().nullable().meta({ description: 'Why it is not enabled.' }),
    limits: Limits,
    options: z.record(z.string(), AnyJson).optional().meta({
      description: 'The JSON Schema of this provider’s `provider_options`; shown for one model, not in the list.',
    }),
    price: PriceRule.nullable().meta({ description: 'Null: no published price.' }),
    surcharge_percent: SurchargePercentShown,
    latency_ms: Latency.nullable(),
    retires_on: z.iso.date().optional().meta({ description: 'From this day on (UTC) it cannot be bought. Absent: no end is announced.' }),
    replaced_by: z.string().optional(),
    docs_url: z.string(),
    notes: z.array(z.string()),
  })
  .meta({ id: 'ModelOffer' })

/** The model object that existing clients read, plus what each provider offers. */
export const Model = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    created: z.number().int(),
    owned_by: z.string(),
    alias_of: z.string().nullable(),
    offers: z.array(ModelOffer),
  })
  .meta({ id: 'Model' })
export type Model = z.infer<typeof Model>
