import { z } from 'zod'
import { Usd } from './money.ts'
import { CostLine } from './price.ts'
import { Fidelity } from './fidelity.ts'
import { Warning } from './generation.ts'
import { Seed } from './request.ts'

/** What an offer would be asked for, after adapting. Where nothing is asked, a quote shows the vendor default that will act, as far as the vendor states one. */
export const Applied = z
  .object({
    width: z.number().int().optional(),
    height: z.number().int().optional(),
    aspect_ratio: z
      .string()
      .optional()
      .meta({ description: 'With `tier`, where the offer sells shapes and resolutions instead of pixels.' }),
    tier: z.string().optional().meta({
      description:
        'The offer’s own word for a resolution. Width and height beside it are those expected, there where the provider publishes them.',
    }),
    n: z.number().int(),
    reference_images: z.number().int(),
    output_format: z.string().optional(),
    output_quality: z.number().optional(),
    safety_tolerance: z.number().optional(),
    prompt_upsampling: z.boolean().optional(),
    guidance: z.number().optional(),
    steps: z.number().optional(),
    quality: z.string().optional(),
    background: z.string().optional(),
    mask: z.boolean().optional(),
    seed: Seed.optional(),
  })
  .meta({ id: 'Applied' })
export type Applied = z.infer<typeof Applied>

/** Milliseconds from submit to result, measured here; `samples` is how many tasks they are taken from. */
export const Latency = z.object({ p50: z.number().int(), p95: z.number().int(), samples: z.number().int() }).meta({ id: 'Latency' })
export type Latency = z.infer<typeof Latency>

/** One offer of the model, eligible or not, with the reason. */
export const QuotedOffer = z
  .object({
    provider: z.string(),
    model: z.string(),
    provider_model: z.string(),
    eligible: z.boolean(),
    fidelity: Fidelity.nullable().meta({ description: 'Null where the offer cannot take the request.' }),
    reasons: z.array(z.string()),
    warnings: z.array(Warning),
    applied: Applied.nullable(),
    cost: z
      .object({
        amount: Usd,
        per_megapixel: Usd.nullable().meta({
          description:
            'The amount for each 1,048,576 pixels of output, rounded to 9 decimals; null where the size is not known before the image is made.',
        }),
        lines: z.array(CostLine),
      })
      .nullable()
      .meta({ description: 'Null where the offer has no published price.' }),
    observed: z.object({ amount: Usd, samples: z.number().int(), as_of: z.iso.datetime() }).nullable().meta({
      description:
        'For an offer without a published price: what as many images of this size and number of references were billed on average before. Never used as a price.',
    }),
    assumptions: z.array(z.string()).meta({
      description: 'What was taken for granted, and where vendor defaults that will act differ from those of other offers.',
    }),
    latency_ms: Latency.nullable(),
  })
  .meta({ id: 'QuotedOffer' })
export type QuotedOffer = z.infer<typeof QuotedOffer>

export const Quote = z
  .object({
    object: z.literal('quote'),
    sandbox: z.boolean(),
    model: z.string(),
    offers: z
      .array(QuotedOffer)
      .meta({ description: 'Eligible offers by fidelity, then price, unpriced ones last of them; then the others, with the reasons.' }),
    route: z.array(z.string()).meta({ description: 'Providers in the order in which the same request would try them now.' }),
    considered: z
      .array(z.object({ provider: z.string(), reason: z.string() }))
      .meta({ description: 'Who is not in `route`, and why: not eligible, paused, full, or passed over.' }),
    cheapest: z.string().nullable().meta({ description: 'Among exact and near offers; null where none of them has a price.' }),
    fastest: z.string().nullable().meta({ description: 'Among exact and near offers with at least 5 measured tasks; else null.' }),
  })
  .meta({ id: 'Quote' })
export type Quote = z.infer<typeof Quote>
