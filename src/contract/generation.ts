import { z } from 'zod'
import { AnyJson } from './json.ts'
import { Usd } from './money.ts'
import { CostBasis, CostLine } from './price.ts'
import { GenerationError } from './failure.ts'
import { Fidelity } from './fidelity.ts'
import { OutputFormat } from './limits.ts'

/** Open: `queued`, `running`. Terminal: the rest. `succeeded` means every delivered image was fetched, checked and stored. */
export const GenerationStatus = z.enum(['queued', 'running', 'succeeded', 'failed', 'canceled']).meta({ id: 'GenerationStatus' })
export type GenerationStatus = z.infer<typeof GenerationStatus>

export const isTerminal = (status: GenerationStatus): boolean => status === 'succeeded' || status === 'failed' || status === 'canceled'

/** What was adapted on the way to a provider, or could not be honoured. */
export const Warning = z
  .object({
    code: z.enum(['adjusted', 'unsupported', 'ignored_option', 'deprecated']),
    field: z.string(),
    requested: AnyJson,
    used: AnyJson,
    reason: z.string(),
  })
  .meta({ id: 'Warning' })
export type Warning = z.infer<typeof Warning>

/** One delivered image. Width, height, format, bytes and hash are read from the stored bytes; null only when the vendor's link is passed on unfetched. */
export const Image = z
  .object({
    id: z.string(),
    url: z.string(),
    width: z.number().int().nullable(),
    height: z.number().int().nullable(),
    format: OutputFormat.nullable(),
    bytes: z.number().int().nullable(),
    sha256: z.string().nullable(),
    seed: z.string().nullable().meta({ description: 'Digits; vendors return seeds beyond 2^53.' }),
    flagged: z.boolean().nullable().meta({ description: 'The provider’s own content checker marked it; null where it says nothing.' }),
    expires_at: z.iso.datetime().optional().meta({ description: 'Only where the vendor’s own link is passed on.' }),
  })
  .meta({ id: 'Image' })
export type Image = z.infer<typeof Image>

export const Cost = z
  .object({
    currency: z.literal('USD'),
    quoted: Usd.nullable().meta({ description: 'Null where the offer has no known price: its cost is known only once it is billed.' }),
    amount: Usd.nullable().meta({ description: 'Null where it is not known; never "0" for unknown.' }),
    basis: CostBasis,
    lines: z.array(CostLine),
  })
  .meta({ id: 'Cost' })
export type Cost = z.infer<typeof Cost>

export const AttemptStatus = z.enum(['queued', 'submitting', 'pending', 'collecting', 'succeeded', 'failed', 'canceled'])
export type AttemptStatus = z.infer<typeof AttemptStatus>

/** One try at one provider: one paid submit and everything that followed from it. */
export const Attempt = z
  .object({
    provider: z.string(),
    provider_model: z.string(),
    status: AttemptStatus,
    provider_task_id: z.string().nullable(),
    images: z.number().int().meta({ description: 'Images asked of this attempt.' }),
    seed: z.string().nullable().meta({ description: 'As it was sent, in digits; null where none was.' }),
    vendor: z.record(z.string(), AnyJson).nullable().meta({
      description: 'Small facts the provider gave: ids, megapixels, a discount. Null where it gave none.',
    }),
    error: GenerationError.nullable(),
    cost: z.object({
      quoted: Usd.nullable(),
      amount: Usd.nullable(),
      basis: CostBasis,
      reported: z.string().nullable().meta({
        description:
          'US dollars as the provider reported them, believed or not: beyond ten times the quote, `amount` is null until an operator confirms it. Null where it reported none.',
      }),
    }),
    started_at: z.iso.datetime(),
    ended_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Attempt' })
export type Attempt = z.infer<typeof Attempt>

export const Timing = z
  .object({
    queued_ms: z.number().int().nullable(),
    provider_ms: z.number().int().nullable(),
    store_ms: z.number().int().nullable(),
    total_ms: z.number().int().nullable(),
    polls: z.number().int(),
  })
  .meta({ id: 'Timing' })
export type Timing = z.infer<typeof Timing>

/** Why this provider: what was compared and what each offered. */
export const Routing = z
  .object({
    strategy: z.enum(['pinned', 'order', 'weights', 'price', 'latency']),
    considered: z.array(
      z.object({
        provider: z.string(),
        eligible: z.boolean(),
        fidelity: Fidelity.nullable().meta({ description: 'Null where the offer cannot take the request.' }),
        quoted: Usd.nullable(),
        latency_ms: z.number().int().nullable().meta({ description: 'The median; null before the first measured task.' }),
        latency_samples: z.number().int().nullable().meta({ description: 'How many measured tasks `latency_ms` is of.' }),
        reasons: z.array(z.string()),
      }),
    ),
  })
  .meta({ id: 'Routing' })
export type Routing = z.infer<typeof Routing>

/** One request on its way, and its result. */
export const Generation = z
  .object({
    id: z.string(),
    object: z.literal('generation'),
    status: GenerationStatus,
    sandbox: z.boolean(),
    comparison: z.string().nullable().meta({ description: 'The id of the comparison it is part of; null where it was asked for alone.' }),
    key: z.string().nullable().meta({ description: 'The name of the gateway key that asked for it; null where no keys are configured.' }),
    model: z.string(),
    provider: z.string().nullable(),
    provider_model: z.string().nullable(),
    created_at: z.iso.datetime(),
    started_at: z.iso.datetime().nullable(),
    completed_at: z.iso.datetime().nullable(),
    progress: z.number().min(0).max(1).nullable(),
    request: z.record(z.string(), AnyJson).meta({ description: 'As normalized; reference images as hashes or URLs.' }),
    images: z.array(Image),
    prompt_used: z.string().nullable(),
    cost: Cost,
    timing: Timing,
    routing: Routing,
    attempts: z.array(Attempt),
    warnings: z.array(Warning),
    error: GenerationError.nullable(),
    metadata: z.record(z.string(), z.string()),
  })
  .meta({ id: 'Generation' })
export type Generation = z.infer<typeof Generation>
