import { z } from 'zod'
import { Fidelity } from './fidelity.ts'
import { Usd } from './money.ts'

/**
 * The columns of GET /v1/costs?format=csv, one row for each attempt, in this order; a `metadata.<key>` column follows for each that is
 * grouped or filtered by. `metadata` holds all pairs as a JSON object, `group` the values of `group_by`, joined by " / ".
 */
export const COST_COLUMNS = [
  'settled_at',
  'generation_id',
  'attempt_id',
  'key',
  'model',
  'provider',
  'provider_model',
  'provider_task_id',
  'status',
  'error_code',
  'images',
  'width',
  'height',
  'reference_images',
  'quoted_usd',
  'amount_usd',
  'basis',
  'created_at',
  'megapixels',
  'fidelity',
  'metadata',
  'group',
  'surcharge_usd',
] as const

/** What costs can be grouped by, beside `metadata.<key>`. */
export const COST_GROUPINGS = ['provider', 'model', 'day', 'month', 'key', 'megapixels', 'fidelity'] as const
export type CostGrouping = (typeof COST_GROUPINGS)[number]

const Percent = z
  .string()
  .nullable()
  .meta({ description: 'Signed, for example "+50.0%"; null where there is nothing to compare with.', examples: ['+50.0%'] })

/** The same images at one provider. */
export const WhatIf = z
  .object({
    provider: z.string(),
    amount: Usd.nullable().meta({
      description: 'What the compared images would have cost there, by its price rule; null where none can be compared.',
    }),
    spent: Usd.meta({ description: 'What the compared images did cost.' }),
    vs_spent: Percent,
    images: z.number().int().meta({ description: 'Images compared. What ran at this provider counts at what it cost.' }),
    not_priced: z.number().int().meta({ description: 'Images it does not sell, or for no published price.' }),
    cost_unknown: z.number().int().meta({ description: 'Images whose own cost is not known.' }),
    full_coverage: z.boolean().meta({ description: 'Whether it prices every image that any provider can be compared for.' }),
    rank: z.number().int().nullable().meta({
      description:
        'Among the providers of full coverage, from 1, the cheapest; the same for equal amounts. Null where it leaves images out.',
    }),
    vs_cheapest: Percent,
    leaves_out: z
      .array(z.object({ images: z.number().int(), reason: z.string() }))
      .meta({ description: 'The images that are not in `amount` and `spent`, and why.' }),
  })
  .meta({ id: 'WhatIf' })
export type WhatIf = z.infer<typeof WhatIf>

/** The answer to "which provider was cheapest for these images, and by how much". */
export const Cheapest = z
  .object({
    provider: z.string(),
    amount: Usd.meta({ description: 'What the compared images would have cost there, or did cost where all of them ran there.' }),
    spent: Usd.meta({ description: 'What the compared images did cost.' }),
    saving: Usd.meta({
      description: 'spent − amount: how much less it is than was spent. Negative where even the cheapest asks more today.',
    }),
    vs_spent: Percent,
    images: z.number().int(),
    next: z
      .object({ provider: z.string(), amount: Usd, difference: Usd, vs_cheapest: Percent })
      .nullable()
      .meta({ description: 'The second cheapest, and what it asks more; null where no other covers the same images.' }),
  })
  .meta({ id: 'Cheapest' })
export type Cheapest = z.infer<typeof Cheapest>

export const CostFigures = z
  .object({
    spend: Usd.meta({ description: 'The sum of all known costs; what is not known is counted in `unknown_cost_generations`.' }),
    count: z.number().int().meta({ description: 'Generations; the same as `generations`.' }),
    generations: z.number().int(),
    attempts: z.number().int(),
    images: z.number().int().meta({ description: 'Images delivered.' }),
    cost_per_image: Usd.nullable().meta({ description: 'Spend, failures included, per delivered image of known cost; null without any.' }),
    wasted: z
      .object({
        amount: Usd.meta({ description: 'failed + moderated.' }),
        failed: Usd,
        moderated: Usd,
        unknown: Usd.meta({
          description: 'Quoted for attempts without an image whose cost is not known: possibly billed, not in `spend`.',
        }),
      })
      .meta({ description: 'Paid for attempts that delivered nothing.' }),
    unknown_cost_generations: z.number().int(),
    drift: z
      .object({ quoted: Usd, billed: Usd, amount: Usd, percent: Percent })
      .meta({ description: 'Over attempts that were quoted and that the provider billed itself.' }),
    what_if: z.array(WhatIf).meta({
      description:
        'What the same images would have cost at every other provider by its price of today, priced at the size it would make. Those of full coverage come first, the cheapest before all; what leaves images out has no rank.',
    }),
    cheapest: Cheapest.nullable().meta({
      description:
        'The cheapest of all providers of full coverage, the one where everything ran included; null where none covers all of the images.',
    }),
  })
  .meta({ id: 'CostFigures' })
export type CostFigures = z.infer<typeof CostFigures>

export const CostGroup = CostFigures.extend({
  group: z.record(z.string(), z.string().nullable()).meta({ description: 'One value for each of `group_by`.' }),
}).meta({ id: 'CostGroup' })
export type CostGroup = z.infer<typeof CostGroup>

export const BudgetPeriod = z.enum(['day', 'month', 'total']).meta({ id: 'BudgetPeriod' })
export type BudgetPeriod = z.infer<typeof BudgetPeriod>

export const BudgetState = z
  .object({
    key: z.string(),
    limit: Usd,
    period: BudgetPeriod,
    used: Usd.meta({ description: 'Spent, held for what is under way, and quoted for what may have been billed.' }),
    left: Usd,
    renews_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'BudgetState' })
export type BudgetState = z.infer<typeof BudgetState>

/** What a report is about, as it was asked; absent: not filtered by. */
export const CostFilters = z
  .object({
    provider: z.string().optional(),
    model: z.string().optional(),
    key: z.string().optional(),
    megapixels: z.number().int().optional(),
    fidelity: Fidelity.optional(),
    metadata: z.record(z.string(), z.string()).optional(),
  })
  .meta({ id: 'CostFilters' })
export type CostFilters = z.infer<typeof CostFilters>

/** The filters that are given. */
export const givenFilters = (asked: { readonly [Name in keyof CostFilters]: CostFilters[Name] | undefined }): CostFilters =>
  Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))

/** What was spent, by whom, where, and what it would have been elsewhere. */
export const CostReport = z
  .object({
    object: z.literal('costs'),
    currency: z.literal('USD'),
    from: z.iso.datetime().nullable(),
    to: z.iso.datetime().nullable().meta({ description: 'Exclusive.' }),
    group_by: z.array(z.string()),
    filters: CostFilters,
    key: z.string().nullable().meta({ description: 'Whose costs; null for everybody’s.' }),
    groups: z.array(CostGroup),
    total: CostFigures,
    what_if: z.array(WhatIf).meta({ description: 'That of `total`.' }),
    cheapest: Cheapest.nullable().meta({ description: 'That of `total`.' }),
    budgets: z.array(BudgetState),
  })
  .meta({ id: 'CostReport' })
export type CostReport = z.infer<typeof CostReport>
