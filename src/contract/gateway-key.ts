import { z } from 'zod'
import { BudgetPeriod, BudgetState } from './ledger.ts'
import { listOf } from './list-of.ts'
import { Usd } from './money.ts'

const KeyScope = z.enum(['read', 'write', 'admin']).meta({
  description: 'read: GET, quotes, own events. write: also buy, cancel, redeliver. admin: also keys, every key’s rows, reconcile, backup.',
})
const Names = listOf(z.string().min(1).max(200), 1, 200)
const Rate = z.strictObject({ per_minute: z.number().int().min(1).max(1_000_000) })

/** What a gateway key is made with. Every field but the name is optional. */
export const NewGatewayKey = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'letters, digits, ".", "_" and "-", at most 100, beginning with a letter or digit')
      .meta({ description: 'Who it is; shown in costs and logs, never secret.', examples: ['team-b'] }),
    scope: KeyScope.optional().meta({ description: 'Default write.' }),
    models: Names.optional().meta({ description: 'The only models it may use, as callers write them. Default: all.' }),
    providers: Names.optional().meta({ description: 'The only providers it may use. Default: all.' }),
    budget_usd: Usd.refine((amount) => !amount.startsWith('-'), 'a budget is not negative')
      .optional()
      .meta({ description: 'The most it may spend in a period. Default: no limit.' }),
    period: BudgetPeriod.optional().meta({ description: 'When the budget starts anew (UTC). Default month.' }),
    rate: Rate.optional().meta({ description: 'Requests in a minute; more are 429. Default: no limit.' }),
    expires_at: z.iso.datetime({ offset: true }).optional().meta({ description: 'From when it is refused. Default: never.' }),
    allow_unpriced: z
      .boolean()
      .optional()
      .meta({ description: 'Whether a key with a budget may use an offer without a price. Default false.' }),
    secret: z
      .string()
      .min(16, 'a secret has at least 16 characters; leave it out for a fresh one')
      .max(500)
      .regex(/^[\x21-\x7e]+$/, 'a secret is printable ASCII without spaces')
      .optional()
      .meta({ description: 'A secret of your own. Default: a fresh one, which is better.' }),
  })
  .meta({ id: 'NewGatewayKey' })
export type NewGatewayKey = z.infer<typeof NewGatewayKey>

export const GatewayKeyState = z
  .object({
    name: z.string(),
    object: z.literal('key'),
    source: z.enum(['api', 'configuration']).meta({ description: 'A key of the configuration is changed in its file alone.' }),
    scope: KeyScope,
    models: z.array(z.string()).nullable(),
    providers: z.array(z.string()).nullable(),
    budget_usd: Usd.nullable(),
    period: BudgetPeriod,
    rate: Rate.nullable(),
    allow_unpriced: z.boolean(),
    created_at: z.string().nullable(),
    rotated_at: z.string().nullable(),
    expires_at: z.string().nullable(),
    last_used_at: z
      .string()
      .nullable()
      .meta({ description: 'To the minute; null for one that was never used, or is of the configuration.' }),
    previous_until: z.string().nullable().meta({ description: 'Until when an earlier secret still counts; null where none does.' }),
  })
  .meta({ id: 'GatewayKey' })
export type GatewayKeyState = z.infer<typeof GatewayKeyState>

/** The key that a request was sent with, as far as its holder needs to know. */
export const CurrentKey = z
  .object({
    object: z.literal('current_key'),
    name: z.string().nullable().meta({ description: 'Null where the gateway has no keys.' }),
    scope: KeyScope,
    models: z.array(z.string()).nullable().meta({ description: 'The only models it may use, as callers write them; null: all.' }),
    providers: z.array(z.string()).nullable().meta({ description: 'The only providers it may use; null: all.' }),
    rate: Rate.nullable(),
    allow_unpriced: z.boolean().meta({ description: 'Whether it may use offers without a price although it has a budget.' }),
    expires_at: z.string().nullable(),
    budget: BudgetState.nullable().meta({ description: 'What it may spend and what is left of it; null where it has no budget.' }),
  })
  .meta({ id: 'CurrentKey' })
export type CurrentKey = z.infer<typeof CurrentKey>

/** The only answer that holds a secret. */
export const GatewayKeyWithSecret = GatewayKeyState.extend({
  secret: z.string().meta({ description: 'Shown once; only a hash of it is kept.' }),
  notice: z.string().optional().meta({ description: 'What else this changed.' }),
}).meta({ id: 'GatewayKeyWithSecret' })
export type GatewayKeyWithSecret = z.infer<typeof GatewayKeyWithSecret>

export const RotateGatewayKey = z
  .strictObject({
    grace_seconds: z
      .number()
      .int()
      .min(0)
      .max(30 * 86_400)
      .default(86_400)
      .meta({ description: 'How long the secret before still counts. 0: no longer from now on. Default 86400, a day.' }),
  })
  .meta({ id: 'RotateGatewayKey' })
