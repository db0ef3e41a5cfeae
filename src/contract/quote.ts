import { z } from 'zod'
import { Usd } from './money.ts'
import { CostLine } from './price.ts'
import { Warning } from './generation.ts'
import { Seed } from './request.ts'

/** What an offer would really be asked for, after adapting. */
export const Applied = z
  .object({
    width: z.number().int().optional(),
    height: z.number().int().optional(),
    n: z.number().int(),
    reference_images: z.number().int(),
    output_format: z.string().optional(),
    output_quality: z.number().optional(),
    safety_tolerance: z.number().optional(),
    prompt_upsampling: z.boolean().optional(),
    guidance: z.number().optional(),
    steps: z.number().optional(),
    seed: Seed.optional(),
  })
  .meta({ id: 'Applied' })
export type Applied = z.infer<typeof Applied>

export const Latency = z.object({ p50: z.number().int(), p95: z.number().int() }).meta({ id: 'Latency' })
export type Latency = z.infer<typeof Latency>

/** One offer of the model, eligible or not, with the reason. */
export const QuotedOffer = z
  .object({
    provider: z.string(),
    model: z.string(),
    provider_model: z.string(),
    eligible: z.boolean(),
    reasons: z.array(z.string()),
    warnings: z.array(Warning),
    applied: Applied.nullable(),
    cost: z
      .object({ amount: Usd, lines: z.array(CostLine) })
      .nullable()
      .meta({ description: 'Null where the offer has no published price.' }),
    observed: z.object({ amount: Usd, samples: z.number().int(), as_of: z.iso.datetime() }).nullable().optional().meta({
      description:
        'For an offer without a published price: what as many images of this size and number of references were billed on average before. Never used as a price.',
    }),
    assumptions: z.array(z.string()),
    latency_ms: Latency.nullable(),
  })
  .meta({ id: 'QuotedOffer' })
export type QuotedOffer = z.infer<typeof QuotedOffer>

export const Quote = z
  .object({
    object: z.literal('quote'),
    model: z.string(),
    offers: z.array(QuotedOffer),
    cheapest: z.string().nullable(),
    fastest: z.string().nullable(),
  })
  .meta({ id: 'Quote' })
export type Quote = z.infer<typeof Quote>
