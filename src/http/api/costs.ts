import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { CostReport, Problem } from '#contract'
import { metadataOf } from '../../core/billing/cost-groups.ts'
import type { Costs, CostsAsked } from '../../core/billing/cost-report.ts'
import { littleTurn } from '../../reading/turn-share.ts'
import { costHeader, costLine } from '../csv.ts'
import { sendWithList } from '../send-page.ts'
import { CostsQuery, readCostsQuery } from './costs-query.ts'

/** So many rows of a file take less than a millisecond. */
const ROWS_AT_ONCE = 20

export interface CostDependencies {
  readonly costs: Pick<Costs, 'report' | 'rows'>
}

/** What was spent, and what it would have cost elsewhere. */
export const costRoutes: FastifyPluginAsyncZod<CostDependencies> = async (app, { costs }) => {
  const schema = {
    operationId: 'getCosts',
    summary: 'Costs: spend, waste, drift, and what the same would have cost elsewhere',
    description:
      'JSON is grouped; `cheapest` names the cheapest provider for the images that the filters select, and by how much. CSV (RFC 4180) has one row for each attempt, with the provider’s task id, so that it matches an invoice. A gateway key sees its own costs, an admin key everybody’s.',
    tags: ['money'],
    querystring: CostsQuery,
    response: {
      200: {
        description: 'What was spent: grouped, or with `format=csv` a row for each attempt.',
        content: { 'application/json': { schema: CostReport }, 'text/csv': { schema: z.string() } },
      },
      400: Problem,
      401: Problem,
    },
  }
  app.get('/v1/costs', { schema, config: { access: 'read' } }, async (request, typedReply) => {
    // A file is beside the documented JSON answer.
    const reply: FastifyReply = typedReply
    const asked = readCostsQuery(request.query)
    if (request.query.format !== 'csv') return sendWithList(request, reply, await costs.report(asked, request.gatewayKey), 'groups')
    const text = await csv(costs, asked, request)
    return reply
      .type('text/csv; charset=utf-8; header=present')
      .header('content-disposition', 'attachment; filename="imagegate-costs.csv"')
      .send(Readable.from(text))
  })
}

/** The file in parts. The first rows are read before it begins, so that what is refused is answered as a problem. */
async function csv(costs: Pick<Costs, 'rows'>, asked: CostsAsked, { gatewayKey, ip }: FastifyRequest): Promise<AsyncIterable<string>> {
  const metadata = [...new Set([...metadataOf(asked.groupBy), ...Object.keys(asked.filters?.metadata ?? {})])]
  const pages = costs.rows(asked, gatewayKey)[Symbol.asyncIterator]()
  let page = await pages.next()
  async function* parts(): AsyncGenerator<string> {
    yield costHeader(metadata)
    for (; page.done !== true; page = await pages.next())
      for (let at = 0; at < page.value.length; at += ROWS_AT_ONCE) {
        await littleTurn(gatewayKey ?? ip, 0)
        const rows = page.value.slice(at, at + ROWS_AT_ONCE)
        yield rows.map((row) => costLine(row, asked.groupBy, metadata)).join('')
      }
  }
  return parts()
}
