import { z } from 'zod'
import { CostGroup, CostReport, listOf } from '#contract'
import type { Costs } from '../../../../core/billing/cost-report.ts'
import { defineTool } from '../tool.ts'

/** Everything for the total, the figures alone for each group. */
const CostFacts = CostReport.extend({ groups: z.array(CostGroup.omit({ what_if: true, drift: true })) })
type CostFacts = z.infer<typeof CostFacts>

const DAY_MS = 86_400_000
const Grouping = /^(provider|model|day|key|metadata\..{1,64})$/

export const readCosts = (costs: Pick<Costs, 'report'>) =>
  defineTool({
    name: 'costs',
    title: 'Costs',
    description:
      'What was spent on images so far, per successful image, wasted on failures, and what the same images would have cost at every other provider. ' +
      'Free. Group it by provider, model, day, key or a metadata field.',
    arguments: z.strictObject({
      from: z.iso.date().optional().describe('First day (UTC), for example "2026-11-01". Default: the beginning.'),
      to: z.iso.date().optional().describe('Last day (UTC), included. Default: today.'),
      group_by: listOf(z.string().regex(Grouping, '"provider", "model", "day", "key" or "metadata.<name>"'), 1, 5)
        .default(['provider'])
        .describe('One group for each combination of these: "provider", "model", "day", "key", "metadata.<name>". Default: by provider.'),
    }),
    facts: CostFacts,
    annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    async run({ from, to, group_by: groupBy }, { key }) {
      const asked = { from: from === undefined ? null : Date.parse(from), to: to === undefined ? null : Date.parse(to) + DAY_MS, groupBy }
      const facts = await costs.report(asked, key)
      return { facts, text: textOf(facts) }
    },
  })

function textOf({ total, groups, budgets }: CostFacts): string {
  return [
    `Total: ${figures(total)}`,
    ...groups.map((each) => `${nameOf(each.group)}: ${figures(each)}`),
    ...total.what_if.map(({ provider, amount, vs_spent, images }) =>
      amount === null
        ? `At ${provider}: not priced`
        : `At ${provider} the same ${images} images: ${amount} USD${vs_spent === null ? '' : ` (${vs_spent})`}`,
    ),
    ...budgets.map(({ key, used, limit, left, period }) => `Budget of ${key}: ${used} of ${limit} USD per ${period} used, ${left} left`),
  ].join('\n')
}

const nameOf = (group: Readonly<Record<string, string | null>>): string =>
  Object.values(group)
    .map((value) => value ?? '-')
    .join(' / ')

const figures = ({
  spend,
  images,
  cost_per_image,
  wasted,
  unknown_cost_generations,
}: CostFacts['groups'][number] | CostFacts['total']): string =>
  [
    `${spend} USD`,
    `${images} images`,
    ...(cost_per_image === null ? [] : [`${cost_per_image} each`]),
    `${wasted.amount} wasted`,
    ...(unknown_cost_generations > 0 ? [`${unknown_cost_generations} generations of unknown cost not counted`] : []),
  ].join(', ')
