import { z } from 'zod'
import { Usd } from './money.ts'

/** A provider as it is at this moment. */
export const ProviderState = z
  .object({
    id: z.string(),
    object: z.literal('provider'),
    title: z.string(),
    state: z.enum(['enabled', 'disabled']),
    reason: z.string().nullable().meta({ description: 'Why it is disabled.' }),
    sandbox: z.boolean(),
    models: z.array(z.string()),
    in_flight: z.number().int().meta({ description: 'Unfinished paid tasks, those of all gateways on the same database.' }),
    waiting: z.number().int().meta({ description: 'Tasks of this gateway that wait for a slot.' }),
    max_in_flight: z.number().int(),
    breaker: z.enum(['closed', 'open', 'half_open']),
    failures_in_a_row: z.number().int().meta({
      description: 'Submits that ended in the provider’s own fault since the last one it took, or since its settings changed.',
    }),
    next_try_at: z.iso.datetime().nullable().meta({
      description: 'When an open breaker is probed next, with a free call; null where it is not open.',
    }),
    success_rate: z.number().min(0).max(1).nullable().meta({ description: 'Of the last 100 paid tasks; null before the first.' }),
    balance_usd: Usd.nullable().meta({ description: 'Null where the provider has no balance to read, or did not answer.' }),
    docs_url: z.string(),
  })
  .meta({ id: 'Provider' })
export type ProviderState = z.infer<typeof ProviderState>
