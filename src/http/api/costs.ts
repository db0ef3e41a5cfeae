import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { CostReport, Problem } from '#contract'
import { metadataOf } from '../../core/billing/cost-report.ts'
import type { Costs, CostsAsked } from '../../core/billing/cost-report.ts'
import { costHeader, costLine } from '../csv.ts'
import { dayOf } from '../../core/instant.ts'

const MOST_GROUPINGS = 8
const DAY_MS = 86_400_000
const Grouping = /^(provider|model|day|key|metadata\..{1,64})$/

/** A day or an instant; an empty value is none. */
const Moment = z
  .string()
  .refine((text) => text === '' || instantOf(text) !== null, 'a day like 2026-11-21, or an instant like 2026-11-21T10:00:00Z')
  .optional()

export const CostsQuery = z
  .strictObject({
    from: Moment.meta({ description: 'Day (UTC) or instant of settlement, inclusive. Default: the beginning.' }),
    to: Moment.meta({ description: 'A day, which is included, or an instant, which is not. Default: now.' }),
    group_by: z
      .string()
      .max(700)
      .transform((text) => [
        ...new Set(
          text
            .split(',')
            .map((name) => name.trim())
            .filter((name) => name !== ''),
        ),
      ])
      .refine((names) => names.every((name) => Grouping.test(name)), 'names joined by commas: provider, model, day, key, metadata.<key>')
      .refine((names) => names.length <= MOST_GROUPINGS, `at most ${MOST_GROUPINGS} names`)
      .optional()
      .meta({ description: '`provider`, `model`, `day`, `key`, `metadata.<key>`, joined by commas. Default: provider.' }),
    format: z
      .enum(['json', 'csv'])
      .optional()
      .meta({ description: 'Default json. csv has a row for each attempt, and asked metadata as columns.' }),
  })
  .refine(({ from, to }) => (momentOf(from) ?? 0) <= (endOf(to) ?? Infinity), { path: ['to'], message: 'is before from' })

export interface CostDependencies {
  readonly costs: Pick<Costs, 'report' | 'rows'>
}

/** What was spent, and what it would have cost elsewhere. */
export const costRoutes: FastifyPluginAsyncZod<CostDependencies> = async (app, { costs }) => {
  const schema = {
    summary: 'Costs: spend, waste, drift, and what the same would have cost elsewhere',
    description:
      'JSON is grouped. CSV (RFC 4180) has one row for each attempt, with the provider’s task id, so that it matches an invoice. A gateway key sees its own costs, an admin key everybody’s.',
    tags: ['money'],
    querystring: CostsQuery,
    response: { 200: CostReport, 400: Problem, 401: Problem },
  }
  app.get('/v1/costs', { schema, config: { access: 'read' } }, async (request, typedReply) => {
    // A file is beside the documented JSON answer.
    const reply: FastifyReply = typedReply
    const { from, to, group_by: groupBy = ['provider'], format } = request.query
    const asked = { from: momentOf(from), to: endOf(to), groupBy: [...groupBy] }
    if (format !== 'csv') return costs.report(asked, request.gatewayKey)
    return reply
      .type('text/csv; charset=utf-8; header=present')
      .header('content-disposition', 'attachment; filename="imagegate-costs.csv"')
      .send(Readable.from(csv(costs, asked, request.gatewayKey)))
  })
}

async function* csv(costs: Pick<Costs, 'rows'>, asked: CostsAsked, key: string | null): AsyncGenerator<string> {
  yield costHeader(metadataOf(asked.groupBy))
  for await (const page of costs.rows(asked, key)) yield page.map(costLine).join('')
}

const isDay = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text)

/** Only days and instants with a zone; what else `Date.parse` takes depends on the machine. */
function instantOf(text: string): number | null {
  if (!isDay(text) && !z.iso.datetime({ offset: true }).safeParse(text).success) return null
  const instant = Date.parse(text)
  return Number.isNaN(instant) || (isDay(text) && dayOf(instant) !== text) ? null : instant
}

const momentOf = (text: string | undefined): number | null => (text ? instantOf(text) : null)

/** The end of a day, or the instant itself. */
function endOf(text: string | undefined): number | null {
  const instant = momentOf(text)
  return instant !== null && text && isDay(text) ? instant + DAY_MS : instant
}
