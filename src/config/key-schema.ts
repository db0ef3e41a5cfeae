import { Usd } from '#contract'
import { z } from 'zod'

/** What a key may do; each includes those before it. */
export const KEY_SCOPES = ['read', 'write', 'admin'] as const
export type KeyScope = (typeof KEY_SCOPES)[number]

export const GatewayKey = z
  .strictObject({
    name: z.string().min(1).max(100).meta({ description: 'Who it is; shown in costs, never secret.' }),
    key_hash: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, 'the SHA-256 of the key as 64 hex digits: printf %s "$KEY" | sha256sum')
      .meta({ description: 'SHA-256 of the key, in hex: printf %s "$KEY" | sha256sum. The key itself is never kept.' }),
    budget_usd: Usd.refine((amount) => !amount.startsWith('-'), 'a budget is not negative')
      .optional()
      .meta({ description: 'The most this key may spend in a period. Default: no limit.' }),
    period: z.enum(['day', 'month', 'total']).optional().meta({ description: 'When the budget starts anew (UTC). Default month.' }),
    models: z.array(z.string().min(1)).min(1).optional().meta({ description: 'The only models it may use. Default: all.' }),
    providers: z.array(z.string().min(1)).min(1).optional().meta({ description: 'The only providers it may use. Default: all.' }),
    allow_unpriced: z
      .boolean()
      .optional()
      .meta({ description: 'Whether a key with a budget may use an offer that has no price. Default false.' }),
    scope: z.enum(KEY_SCOPES).optional().meta({
      description:
        'read: sees what is its own, and quotes; write: buys and cancels too; admin: manages keys and sees the rows of every key too. Default write.',
    }),
    admin: z.boolean().optional().meta({ description: 'true means `scope: admin`. Default false.' }),
    rate: z
      .strictObject({ per_minute: z.number().int().min(1).max(1_000_000).meta({ description: 'The most requests in a minute.' }) })
      .optional()
      .meta({ description: 'How often it may call. Default: no limit of its own.' }),
    expires_at: z.iso.datetime({ offset: true }).optional().meta({
      description: 'From when it is no longer accepted, such as "2027-01-31T00:00:00Z". Default: never.',
    }),
  })
  .meta({ description: 'A caller of this gateway.' })
