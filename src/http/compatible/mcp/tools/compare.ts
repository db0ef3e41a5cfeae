import { z } from 'zod'
import { Comparison, ComparisonRow } from '#contract'
import type { Compare } from '../../../../core/comparisons/compare.ts'
import type { Intake } from '../../../intake.ts'
import {
  bodyOf,
  ceilingOf,
  idempotencyArgument,
  imageArguments,
  ProviderNames,
  USUAL_ARGUMENTS,
  waitArgument,
} from '../request-arguments.ts'
import { defineTool } from '../tool.ts'

const ComparisonFacts = Comparison.pick({ id: true, status: true, sandbox: true }).extend({
  summary: z.array(ComparisonRow.extend({ image_urls: z.array(z.string()) })).describe('One row for each provider; a failure is a row.'),
})
type ComparisonFacts = z.infer<typeof ComparisonFacts>

export const compareProviders = ({ intake }: { readonly intake: Pick<Intake, 'read'> }, compare: Pick<Compare, 'begin' | 'answer'>) =>
  defineTool({
    name: 'compare',
    title: 'Compare providers',
    description:
      'Makes the same image at several providers and returns price, time and link of each. SPENDS MONEY at each; max_price_usd is for all together. ' +
      'Takes every argument of generate. To compare prices only, use quote, which is free.',
    arguments: z.strictObject({
      ...imageArguments,
      providers: ProviderNames.optional().describe('Run at these, for example the two cheapest of quote. Default: all that can.'),
      max_price_usd: ceilingOf('all providers together'),
      wait_seconds: waitArgument,
      idempotency_key: idempotencyArgument,
    }),
    listed: [...USUAL_ARGUMENTS, 'providers', 'max_price_usd', 'wait_seconds', 'idempotency_key'],
    facts: ComparisonFacts,
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
    async run({ providers, max_price_usd, wait_seconds, idempotency_key, ...image }, { key }) {
      const request = intake.read(bodyOf(image, max_price_usd))
      const begun = await compare.begin({ request, providers, isCeilingShared: true }, key, idempotency_key)
      const comparison = await compare.answer(begun, wait_seconds * 1000)
      if (comparison === null) throw new Error(`comparison ${begun.id} was begun and is not stored`)
      const facts = factsOf(comparison)
      return { facts, text: textOf(facts), isError: facts.status === 'failed' }
    },
  })

function factsOf({ id, status, sandbox, generations, summary }: Comparison): ComparisonFacts {
  const urls = new Map(generations.map((generation) => [generation.id, generation.images.map((image) => image.url)]))
  return { id, status, sandbox, summary: summary.map((row) => ({ ...row, image_urls: urls.get(row.generation_id ?? '') ?? [] })) }
}

function textOf({ id, status, sandbox, summary }: ComparisonFacts): string {
  const lines = summary.map((row) => {
    const parts = [
      row.status,
      row.amount === null ? (row.quoted === null ? null : `quoted ${row.quoted} USD`) : `${row.amount} USD`,
      row.vs_cheapest,
      row.total_ms === null ? null : `${row.total_ms} ms`,
      row.width === null || row.height === null ? null : `${row.width}×${row.height}`,
      row.error_code,
      ...row.reasons,
      row.status === 'queued' || row.status === 'running' ? `call get_generation with id "${row.generation_id}"` : null,
      ...row.image_urls,
    ]
    return `${row.provider}: ${parts.filter((part) => part !== null).join(', ')}`
  })
  return [`${status}: comparison ${id}${sandbox ? ' (sandbox: placeholders, no money was spent)' : ''}`, ...lines].join('\n')
}
