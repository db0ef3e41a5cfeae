import { z } from 'zod'
import { COST_GROUPINGS, Fidelity, givenFilters } from '#contract'
import { groupingObjection, metadataNamed, nearestName } from '../../core/billing/cost-groups.ts'
import type { CostsAsked } from '../../core/billing/cost-report.ts'
import { endOf, Moment, momentOf } from './moment.ts'

const MOST_GROUPINGS = 8
const MOST_METADATA = 16

const GroupBy = z
  .string()
  .max(700)
  .superRefine((text, context) => {
    const names = namesIn(text)
    for (const message of names.flatMap((name) => groupingObjection(name) ?? [])) context.addIssue({ code: 'custom', message })
    if (names.length > MOST_GROUPINGS) context.addIssue({ code: 'custom', message: `at most ${MOST_GROUPINGS} names` })
  })
  .transform(namesIn)
  .optional()
  .meta({
    description: `${COST_GROUPINGS.map((name) => `\`${name}\``).join(', ')}, \`metadata.<key>\`, joined by commas. Default: provider. \`month\` and \`day\` are UTC; \`megapixels\` is the size class of one image, rounded up.`,
  })

const FIELDS = {
  from: Moment.meta({ description: 'Day (UTC) or instant of settlement, inclusive. Default: the beginning.' }),
  to: Moment.meta({ description: 'A day, which is included, or an instant, which is not. Default: now.' }),
  group_by: GroupBy,
  provider: z.string().min(1).max(100).optional().meta({ description: 'Only what ran at this provider.' }),
  model: z.string().min(1).max(200).optional().meta({ description: 'Only this canonical model.' }),
  key: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: 'Only this gateway key’s costs; a key without admin scope sees its own anyway.' }),
  megapixels: z
    .string()
    .regex(/^[1-9]\d{0,3}$/, 'whole output megapixels of one image, rounded up: 1 for 1024×1024, 2 for 1536×1024')
    .transform(Number)
    .optional()
    .meta({ description: 'Only images of this size class: output megapixels of one image, rounded up.' }),
  fidelity: Fidelity.optional().meta({ description: 'Only what ran at offers this near to the request.' }),
  format: z
    .enum(['json', 'csv'])
    .optional()
    .meta({ description: 'Default json. csv has a row for each attempt, with created_at, metadata and the group.' }),
}

export const CostsQuery = z
  .object(FIELDS)
  .catchall(z.string().max(512))
  .superRefine((query, context) => {
    const others = Object.keys(query).filter((name) => !Object.hasOwn(FIELDS, name))
    for (const name of others) {
      if (metadataNamed(name) === null) context.addIssue({ code: 'custom', path: [name.slice(0, 100)], message: unknownField(name) })
    }
    if (others.length > MOST_METADATA)
      context.addIssue({ code: 'custom', path: ['metadata'], message: `at most ${MOST_METADATA} metadata filters` })
    if ((momentOf(query.from) ?? 0) > (endOf(query.to) ?? Infinity))
      context.addIssue({ code: 'custom', path: ['to'], message: 'is before from' })
  })
  .meta({ description: 'Also `metadata.<key>=<value>`, any number of them.' })

export function readCostsQuery(query: z.infer<typeof CostsQuery>): CostsAsked {
  const { from, to, group_by: groupBy = ['provider'], provider, model, key, megapixels, fidelity } = query
  const pairs = Object.entries(query).flatMap(([name, value]) => {
    const metadata = metadataNamed(name)
    return metadata !== null && typeof value === 'string' ? [[metadata, value] as const] : []
  })
  return {
    from: momentOf(from),
    to: endOf(to),
    groupBy,
    filters: givenFilters({
      provider,
      model,
      key,
      megapixels,
      fidelity,
      metadata: pairs.length === 0 ? undefined : Object.fromEntries(pairs),
    }),
  }
}

function unknownField(name: string): string {
  const near = nearestName(name, Object.keys(FIELDS))
  return `unknown field${near}; costs are filtered by ${Object.keys(FIELDS).join(', ')} and metadata.<key>`
}

function namesIn(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  return [...new Set(names.filter((name) => name !== ''))]
}
