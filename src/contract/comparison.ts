import { z } from 'zod'
import { AnyJson } from './json.ts'
import { FailureCode } from './failure.ts'
import { Fidelity } from './fidelity.ts'
import { Generation, GenerationStatus } from './generation.ts'
import { Usd } from './money.ts'

/** `running` until the last of its generations has ended; `succeeded` where at least one provider delivered. */
export const ComparisonStatus = z.enum(['running', 'succeeded', 'failed']).meta({ id: 'ComparisonStatus' })
export type ComparisonStatus = z.infer<typeof ComparisonStatus>

/** One provider's part. A failure is a row like any other; an offer that cannot take the request is `ineligible` and was never asked. */
export const ComparisonRow = z
  .object({
    provider: z.string(),
    status: z.union([GenerationStatus, z.literal('ineligible')]),
    fidelity: Fidelity.nullable().meta({ description: 'Null where it was not asked.' }),
    quoted: Usd.nullable().meta({ description: 'Null where the offer has no published price or cannot take the request.' }),
    amount: Usd.nullable().meta({ description: 'Null while it is not known; never "0" for unknown.' }),
    vs_cheapest: z.string().nullable().meta({
      description:
        'For each delivered image, against the cheapest that delivered a comparable one, for example "+50%"; the cheapest has "+0%". Null where the images are not comparable: far from what was requested, or of another size.',
    }),
    total_ms: z.number().int().nullable(),
    images: z.number().int().meta({ description: 'Images delivered.' }),
    bytes: z.number().int().nullable().meta({ description: 'Of all its images together.' }),
    width: z.number().int().nullable().meta({ description: 'Of its first image, as delivered.' }),
    height: z.number().int().nullable().meta({ description: 'Of its first image, as delivered.' }),
    assumptions: z.array(z.string()).meta({ description: 'Vendor defaults that act here and differ from those of the other rows.' }),
    error_code: FailureCode.nullable(),
    reasons: z.array(z.string()).meta({ description: 'Why it is not eligible, was refused or failed; empty otherwise.' }),
    generation_id: z.string().nullable(),
  })
  .meta({ id: 'ComparisonRow' })
export type ComparisonRow = z.infer<typeof ComparisonRow>

/** The same request at several providers: each its own generation, and what they came to side by side. */
export const Comparison = z
  .object({
    id: z.string(),
    object: z.literal('comparison'),
    status: ComparisonStatus,
    sandbox: z.boolean(),
    created_at: z.iso.datetime(),
    completed_at: z.iso.datetime().nullable(),
    request: z.record(z.string(), AnyJson).meta({ description: 'As normalized; reference images as hashes or URLs.' }),
    generations: z.array(Generation),
    summary: z.array(ComparisonRow),
  })
  .meta({ id: 'Comparison' })
export type Comparison = z.infer<typeof Comparison>
