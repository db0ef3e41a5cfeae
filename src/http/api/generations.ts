import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Generation, GenerationStatus, isTerminal, Problem } from '#contract'
import type { GenerationRequest } from '#contract'
import type { GenerationRecord } from '../../core/records.ts'
import { viewOf } from '../../core/present/generation.ts'
import type { AppDependencies } from '../app.ts'
import { waitOf } from '../prefer.ts'
import { fieldProblem, HttpProblem } from '../problem.ts'

const GenerationParams = z.object({ id: z.string().max(100) })

const CreateHeaders = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({ description: 'The same key and body give the same generation, once, for 24 hours.' }),
  prefer: z.string().max(200).optional().meta({ description: '`wait=<0…600>` seconds (default 60) or `respond-async`.' }),
})

const ListQuery = z
  .object({
    status: GenerationStatus.optional(),
    model: z.string().max(200).optional(),
    provider: z.string().max(100).optional(),
    cursor: z.string().max(500).optional(),
    limit: z.coerce.number().int().min(1).max(100).default(20),
  })
  .catchall(z.string().max(512))
  .meta({ description: 'Also `metadata.<key>=<value>`, any number of them.' })

export const GenerationList = z
  .object({ object: z.literal('list'), data: z.array(Generation), has_more: z.boolean(), next_cursor: z.string().nullable() })
  .meta({ id: 'GenerationList' })

const problems = { 400: Problem, 401: Problem, 404: Problem, 413: Problem, 415: Problem, 422: Problem, 500: Problem } as const

export const generationRoutes: FastifyPluginAsyncZod<AppDependencies> = async (app, deps) => {
  const { run, intake, store } = deps

  const create = {
    summary: 'Generate images',
    description: 'Terminal within the wait: 200. Otherwise 202 with `Location` and the same body in progress; never a time-out error.',
    tags: ['generations'],
    headers: CreateHeaders,
    body: deps.requestSchema,
    response: { 200: Generation, 202: Generation, ...problems },
  }

  app.post('/v1/generations', { schema: create }, async (request, reply) => {
    const started = await intake.begin(request.body as GenerationRequest, request.gatewayKey, request.headers['idempotency-key'])
    if (started.replayed) reply.header('idempotent-replayed', 'true')
    return answer(reply, started.id, request.headers.prefer, undefined, true)
  })

  /** Waits as the caller prefers, then tells the generation as it is. */
  async function answer(
    reply: FastifyReply,
    id: string,
    prefer: string | undefined,
    defaultSeconds: number | undefined,
    isNew: boolean,
  ): Promise<Generation> {
    const { waitMs, applied } = waitOf(prefer, defaultSeconds)
    const record = waitMs > 0 ? await run.wait(id, waitMs) : await store.generation(id)
    if (!record) throw notFound(id)
    if (applied) reply.header('preference-applied', applied)
    if (isNew && !isTerminal(record.status)) reply.code(202).header('location', `/v1/generations/${id}`).header('retry-after', '1')
    return viewOf(record, deps.publicUrl())
  }

  const show = {
    summary: 'One generation',
    description: '`Prefer: wait=<seconds>` waits for its end; without it, the answer is immediate.',
    tags: ['generations'],
    params: GenerationParams,
    headers: z.object({ prefer: z.string().max(200).optional() }),
    response: { 200: Generation, ...problems },
  }

  app.get('/v1/generations/:id', { schema: show }, async (request, reply) => {
    await owned(deps, request.params.id, request.gatewayKey)
    return answer(reply, request.params.id, request.headers.prefer, 0, false)
  })

  const list = {
    summary: 'Generations, newest first',
    tags: ['generations'],
    querystring: ListQuery,
    response: { 200: GenerationList, ...problems },
  }

  app.get('/v1/generations', { schema: list }, async (request) => {
    const { status, model, provider, cursor, limit, ...rest } = request.query
    const metadata = metadataFilter(rest)
    const { records, nextCursor } = await store.list({
      limit,
      ...(status ? { status } : {}),
      ...(model ? { model } : {}),
      ...(provider ? { provider } : {}),
      ...(cursor ? { cursor } : {}),
      ...(request.gatewayKey ? { key: request.gatewayKey } : {}),
      ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
    })
    const data = records.map((record) => viewOf(record, deps.publicUrl()))
    return { object: 'list' as const, data, has_more: nextCursor !== null, next_cursor: nextCursor }
  })

  const cancel = {
    summary: 'Cancel a generation',
    description:
      'Stops polling and fallback. `error.billed` says whether a provider may still bill it. A generation that has ended stays as it is.',
    tags: ['generations'],
    params: GenerationParams,
    response: { 200: Generation, ...problems },
  }

  app.post('/v1/generations/:id/cancel', { schema: cancel }, async (request) => {
    const { id } = request.params
    const record = await owned(deps, id, request.gatewayKey)
    return viewOf((await run.cancel(id)) ?? (await store.generation(id)) ?? record, deps.publicUrl())
  })
}

function metadataFilter(rest: Record<string, unknown>): Record<string, string> {
  const entries = Object.entries(rest).map(([name, value]) => {
    if (!name.startsWith('metadata.'))
      throw new HttpProblem(fieldProblem(name, 'unknown filter; use status, model, provider, metadata.<key>, cursor or limit'))
    return [name.slice('metadata.'.length), String(value)] as const
  })
  return Object.fromEntries(entries)
}

const notFound = (id: string) => new HttpProblem({ code: 'not_found', detail: `There is no generation ${id.slice(0, 100)}.` })

/** A key sees its own generations only; another's is as if it were not there. */
export async function owned({ store }: Pick<AppDependencies, 'store'>, id: string, key: string | null): Promise<GenerationRecord> {
  const record = await store.generation(id)
  if (!record || (key !== null && record.key !== key)) throw notFound(id)
  return record
}
