import { z } from 'zod'
import { FailureCode } from './failure.ts'
import { Generation, GenerationStatus } from './generation.ts'
import { Usd } from './money.ts'
import type { Instant, Reference } from './record.ts'
import type { GenerationRequest } from './request.ts'

/** `running` until the last of its generations has ended; `succeeded` where at least one provider delivered. */
export const ComparisonStatus = z.enum(['running', 'succeeded', 'failed']).meta({ id: 'ComparisonStatus' })
export type ComparisonStatus = z.infer<typeof ComparisonStatus>

/** One provider's part. A failure is a row like any other; an offer that cannot take the request is `ineligible` and was never asked. */
export const ComparisonRow = z
  .object({
    provider: z.string(),
    status: z.union([GenerationStatus, z.literal('ineligible')]),
    quoted: Usd.nullable().meta({ description: 'Null where the offer has no published price or cannot take the request.' }),
    amount: Usd.nullable().meta({ description: 'Null while it is not known; never "0" for unknown.' }),
    vs_cheapest: z.string().nullable().meta({
      description: 'For each delivered picture, against the cheapest that delivered, for example "+50%"; the cheapest has "+0%".',
    }),
    total_ms: z.number().int().nullable(),
    images: z.number().int().meta({ description: 'Pictures delivered.' }),
    bytes: z.number().int().nullable().meta({ description: 'Of all its pictures together.' }),
    width: z.number().int().nullable().meta({ description: 'Of its first picture, as delivered.' }),
    height: z.number().int().nullable().meta({ description: 'Of its first picture, as delivered.' }),
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
    request: z.record(z.string(), z.json()).meta({ description: 'As normalized; reference images as hashes or URLs.' }),
    generations: z.array(Generation),
    summary: z.array(ComparisonRow),
  })
  .meta({ id: 'Comparison' })
export type Comparison = z.infer<typeof Comparison>

/** One provider of a comparison as it is kept. */
export type ComparisonEntry =
  /** To be begun; on disk in this form only while the comparison is being begun. */
  | { readonly kind: 'planned'; readonly provider: string }
  | { readonly kind: 'begun'; readonly provider: string; readonly generationId: string }
  /** It could be eligible and was refused when it was begun: a budget, a limit. Nothing was bought. */
  | { readonly kind: 'refused'; readonly provider: string; readonly code: FailureCode; readonly reasons: readonly string[] }
  | { readonly kind: 'ineligible'; readonly provider: string; readonly reasons: readonly string[] }

/** A comparison's row. What became of it is never kept here: it follows from its generations. */
export interface ComparisonRecord {
  readonly id: string
  /** Name of the gateway key that asked; null where no keys are configured. */
  readonly key: string | null
  readonly sandbox: boolean
  readonly createdAt: Instant
  /** As normalized: `reference_images` replaced by `references`. */
  readonly request: Omit<GenerationRequest, 'reference_images'>
  readonly references: readonly Reference[]
  readonly entries: readonly ComparisonEntry[]
  /** What each provider is asked, until all have been: then null. */
  readonly unbegun: GenerationRequest | null
}
