import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Comparison, Problem } from '#contract'
import type { AppDependencies } from '../app.ts'
import { comparisonRequest, comparisonSchema } from '../comparison-schema.ts'
import { waitOf } from '../prefer.ts'
import { comparisonEventRoutes, noComparison, ownedComparison } from './comparison-events.ts'

const prefer = z.string().max(200).optional().meta({ description: '`wait=<0…600>` seconds or `respond-async`.' })
const CreateHeaders = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({ description: 'The same key and body give the same comparison, once, for 24 hours.' }),
  prefer,
})

const ListQuery = z.strictObject({
  cursor: z.string().max(500).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
})

export const ComparisonList = z
  .object({ object: z.literal('list'), data: z.array(Comparison), has_more: z.boolean(), next_cursor: z.string().nullable() })
  .meta({ id: 'ComparisonList' })

const problems = { 400: Problem, 401: Problem, 404: Problem, 413: Problem, 415: Problem, 422: Problem, 500: Problem } as const

/** The same request at several providers. */
export const comparisonRoutes: FastifyPluginAsyncZod<AppDependencies> = async (app, deps) => {
  const { compare, store } = deps
  await app.register(comparisonEventRoutes, deps)

  const create = {
    summary: 'Run one request at several providers',
    description:
      'Each provider makes a generation of its own; what one cannot do is a row of the summary, not an error. Only where none can take the request: 422 `no_eligible_offer`, and nothing is bought. Terminal within the wait: 200, otherwise 202 with `Location`.',
    tags: ['money'],
    headers: CreateHeaders,
    body: comparisonSchema(deps.requestSchema),
    response: { 200: Comparison, 202: Comparison, ...problems },
  }

  app.post('/v1/comparisons', { schema: create }, async (request, reply) => {
    const started = await compare.begin(comparisonRequest(request.body), request.gatewayKey, request.headers['idempotency-key'])
    const { waitMs, applied } = waitOf(request.headers.prefer)
    const comparison = await compare.show(started.id, waitMs)
    if (!comparison) throw noComparison(started.id)
    if (started.replayed) reply.header('idempotent-replayed', 'true')
    if (applied) reply.header('preference-applied', applied)
    if (comparison.status === 'running') reply.code(202).header('location', `/v1/comparisons/${started.id}`).header('retry-after', '1')
    return comparison
  })

  const show = {
    summary: 'One comparison',
    description: '`Prefer: wait=<seconds>` waits for its end; without it, the answer is immediate.',
    tags: ['money'],
    params: z.object({ id: z.string().max(100) }),
    headers: z.object({ prefer }),
    response: { 200: Comparison, ...problems },
  }

  app.get('/v1/comparisons/:id', { schema: show }, async (request, reply) => {
    const { id } = await ownedComparison(deps, request.params.id, request.gatewayKey)
    const { waitMs, applied } = waitOf(request.headers.prefer, 0)
    const comparison = await compare.show(id, waitMs)
    if (!comparison) throw noComparison(id)
    if (applied) reply.header('preference-applied', applied)
    return comparison
  })

  const list = {
    summary: 'Comparisons, newest first',
    tags: ['money'],
    querystring: ListQuery,
    response: { 200: ComparisonList, ...problems },
  }

  app.get('/v1/comparisons', { schema: list }, async (request) => {
    const { cursor, limit } = request.query
    const { records, nextCursor } = await store.comparisons({
      limit,
      ...(cursor ? { cursor } : {}),
      ...(request.gatewayKey ? { key: request.gatewayKey } : {}),
    })
    const data = await Promise.all(records.map((record) => compare.view(record)))
    return { object: 'list' as const, data, has_more: nextCursor !== null, next_cursor: nextCursor }
  })
}
