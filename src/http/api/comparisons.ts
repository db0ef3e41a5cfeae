import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Comparison, Problem } from '#contract'
import type { Compare } from '../../core/comparisons/compare.ts'
import type { Store } from '../../core/ports.ts'
import type { RequestSchema } from '../request-schema.ts'
import { comparisonRequest, comparisonSchema } from '../comparison-schema.ts'
import { notThere, requireOwned, seesOnly } from '../owned.ts'
import { PageQuery, pageOf } from '../paging.ts'
import { answerInProgress, createHeaders, PreferHeader, waitOf } from '../prefer.ts'
import { sendJson, sendPage } from '../send-page.ts'
import { comparisonEventRoutes } from './comparison-events.ts'
import type { ComparisonEventDependencies } from './comparison-events.ts'
import { ComparisonReadings } from './comparison-readings.ts'
import type { ReadingDependencies } from './comparison-readings.ts'

const ListQuery = z.strictObject({
  ...PageQuery,
})

export const ComparisonList = pageOf(Comparison, 'ComparisonList')

const problems = { 400: Problem, 401: Problem, 404: Problem, 413: Problem, 415: Problem, 422: Problem, 500: Problem } as const

export interface ComparisonDependencies extends Omit<ComparisonEventDependencies, 'readings'>, Pick<ReadingDependencies, 'publicUrl'> {
  readonly compare: Pick<Compare, 'begin' | 'answer' | 'show' | 'untilEnd' | 'view'>
  readonly store: Pick<Store, 'comparison' | 'comparisons' | 'generation'>
  readonly requestSchema: RequestSchema
}

type App = Parameters<FastifyPluginAsyncZod>[0]

/** The same request at several providers. */
export const comparisonRoutes: FastifyPluginAsyncZod<ComparisonDependencies> = async (app, deps) => {
  const readings = new ComparisonReadings(deps)
  await app.register(comparisonEventRoutes, { ...deps, readings })
  createRoute(app, deps)
  showRoute(app, deps, readings)
  listRoute(app, deps)
}

function createRoute(app: App, { compare, requestSchema }: ComparisonDependencies): void {
  const schema = {
    operationId: 'createComparison',
    summary: 'Run one request at several providers',
    description:
      'Each provider makes a generation of its own; what one cannot do is a row of the summary, not an error. Only where none can take the request: 422 `no_eligible_offer`, and nothing is bought. Terminal within the wait: 200, otherwise 202 with `Location`.',
    tags: ['money'],
    headers: createHeaders('comparison'),
    body: comparisonSchema(requestSchema),
    response: { 200: Comparison, 202: Comparison, 402: Problem, ...problems },
  }
  app.post('/v1/comparisons', { schema, config: { access: 'write' } }, async (request, reply) => {
    const started = await compare.begin(comparisonRequest(request.body), request.gatewayKey, request.headers['idempotency-key'])
    const { waitMs, applied } = waitOf(request.headers.prefer)
    const comparison = await compare.answer(started, waitMs)
    if (!comparison) throw notThere('comparison', started.id)
    if (started.replayed) reply.header('idempotent-replayed', 'true')
    if (applied) reply.header('preference-applied', applied)
    if (comparison.status === 'running') answerInProgress(reply, `/v1/comparisons/${started.id}`)
    return comparison
  })
}

function showRoute(app: App, { store }: ComparisonDependencies, readings: ComparisonReadings): void {
  const schema = {
    operationId: 'getComparison',
    summary: 'One comparison',
    description: '`Prefer: wait=<seconds>` waits for its end; without it, the answer is immediate.',
    tags: ['money'],
    params: z.object({ id: z.string().max(100) }),
    headers: z.object({ prefer: PreferHeader }),
    response: { 200: Comparison, ...problems },
  }
  app.get('/v1/comparisons/:id', { schema, config: { access: 'read' } }, async (request, reply) => {
    const { id } = request.params
    requireOwned(await store.comparison(id), request.caller, 'comparison', id)
    const { waitMs, applied } = waitOf(request.headers.prefer, 0)
    const reading = await readings.atEnd(id, waitMs)
    if (!reading) throw notThere('comparison', id)
    if (applied) reply.header('preference-applied', applied)
    return sendJson(reply, reading.json(reading.comparison))
  })
}

function listRoute(app: App, { compare, store }: ComparisonDependencies): void {
  const schema = {
    operationId: 'listComparisons',
    summary: 'Comparisons, newest first',
    tags: ['money'],
    querystring: ListQuery,
    response: { 200: ComparisonList, ...problems },
  }
  app.get('/v1/comparisons', { schema, config: { access: 'read' } }, async (request, reply) => {
    const { cursor, limit } = request.query
    const found = await store.comparisons({
      limit,
      ...(cursor ? { cursor } : {}),
      ...seesOnly(request.caller),
    })
    return sendPage(request, reply, found, (record) => compare.view(record))
  })
}
