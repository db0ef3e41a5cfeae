import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Generation, GenerationStatus, isTerminal, Problem } from '#contract'
import type { GenerationRequest } from '#contract'
import { viewOf } from '../../core/present/generation.ts'
import type { Run } from '../../core/generation/run.ts'
import type { Store } from '../../core/ports.ts'
import type { GenerationRecord } from '../../core/records.ts'
import { requireInstalled } from '../../core/generation/names.ts'
import type { Caller } from '../../core/keys/caller.ts'
import { providersFor } from '../../core/keys/may-use.ts'
import type { Intake } from '../intake.ts'
import type { ModelSource } from './models.ts'
import type { RequestSchema } from '../request-schema.ts'
import { modelsFor } from '../listed-for.ts'
import { PageQuery, pageOf } from '../paging.ts'
import { sendPage } from '../send-page.ts'
import { answerInProgress, createHeaders, PreferHeader, waitOf } from '../prefer.ts'
import { notThere, requireOwned, seesOnly } from '../owned.ts'
import { fieldProblem } from '../to-problem.ts'
import { retirementHeaders } from '../retirement-headers.ts'
import { HttpProblem } from '../http-problem.ts'
import type { ImageLinks } from '../../core/present/image-link.ts'

const GenerationParams = z.object({ id: z.string().max(100) })

/** A generation has no more pairs. */
const MOST_METADATA = 16

const ListQuery = z
  .object({
    status: GenerationStatus.optional(),
    model: z.string().max(200).optional(),
    provider: z.string().max(100).optional(),
    q: z
      .string()
      .max(200)
      .refine((text) => /\S{3}/u.test(text), 'a word of at least 3 characters is needed to search prompts')
      .optional()
      .meta({
        description:
          'Words that must all be in the prompt, anywhere, in either case; one of at least 3 characters. The first 2,000 characters of a prompt are searched.',
        examples: ['lighthouse'],
      }),
    cost: z.literal('unknown').optional().meta({ description: 'Only those that have cost, or may have cost, what nobody knows yet.' }),
    ...PageQuery,
  })
  .catchall(z.string().max(512))
  .meta({ description: 'Also `metadata.<key>=<value>`, up to 16 of them.' })

export const GenerationList = pageOf(Generation, 'GenerationList')

const problems = { 400: Problem, 401: Problem, 404: Problem, 413: Problem, 415: Problem, 422: Problem, 500: Problem } as const

export interface GenerationDependencies {
  readonly intake: Pick<Intake, 'begin' | 'wait'>
  readonly run: Pick<Run, 'cancel'>
  readonly store: Pick<Store, 'generation' | 'list'>
  readonly requestSchema: RequestSchema
  readonly links: ImageLinks
  readonly models: ModelSource
  /** Every provider that is installed. */
  readonly installed: () => readonly string[]
}

type App = Parameters<FastifyPluginAsyncZod>[0]

export const generationRoutes: FastifyPluginAsyncZod<GenerationDependencies> = async (app, deps) => {
  createRoute(app, deps)
  showRoute(app, deps)
  listRoute(app, deps)
  cancelRoute(app, deps)
}

function createRoute(app: App, deps: GenerationDependencies): void {
  const schema = {
    operationId: 'createGeneration',
    summary: 'Generate images',
    description: 'Terminal within the wait: 200. Otherwise 202 with `Location` and the same body in progress; never a time-out error.',
    tags: ['generations'],
    headers: createHeaders('generation'),
    body: deps.requestSchema,
    response: { 200: Generation, 202: Generation, 402: Problem, ...problems },
  }
  app.post('/v1/generations', { schema, config: { access: 'write' } }, async (request, reply) => {
    const { 'idempotency-key': idempotencyKey, prefer } = request.headers
    const { id, replayed, record } = await deps.intake.begin(request.body as GenerationRequest, request.gatewayKey, idempotencyKey)
    if (replayed) reply.header('idempotent-replayed', 'true')
    const generation = await awaited(deps, reply, id, waitOf(prefer), record)
    if (!isTerminal(generation.status)) answerInProgress(reply, `/v1/generations/${id}`)
    return generation
  })
}

function showRoute(app: App, deps: GenerationDependencies): void {
  const schema = {
    operationId: 'getGeneration',
    summary: 'One generation',
    description: '`Prefer: wait=<seconds>` waits for its end; without it, the answer is immediate.',
    tags: ['generations'],
    params: GenerationParams,
    headers: z.object({ prefer: PreferHeader }),
    response: { 200: Generation, ...problems },
  }
  app.get('/v1/generations/:id', { schema, config: { access: 'read' } }, async (request, reply) => {
    const { id } = request.params
    requireOwned(await deps.store.generation(id), request.caller, 'generation', id)
    return awaited(deps, reply, id, waitOf(request.headers.prefer, 0))
  })
}

/** The generation once it has ended or the wait is over. */
async function awaited(
  { intake, links }: GenerationDependencies,
  reply: FastifyReply,
  id: string,
  { waitMs, applied }: ReturnType<typeof waitOf>,
  begun?: GenerationRecord,
): Promise<Generation> {
  // What this request has just written is not read again.
  const record = waitMs === 0 && begun !== undefined ? begun : await intake.wait(id, waitMs)
  if (!record) throw notThere('generation', id)
  if (applied) reply.header('preference-applied', applied)
  const generation = viewOf(record, links)
  reply.headers(retirementHeaders(generation.warnings))
  return generation
}

function listRoute(app: App, deps: GenerationDependencies): void {
  const { store, links } = deps
  const schema = {
    operationId: 'listGenerations',
    summary: 'Generations, newest first',
    tags: ['generations'],
    querystring: ListQuery,
    response: { 200: GenerationList, ...problems },
  }
  app.get('/v1/generations', { schema, config: { access: 'read' } }, async (request, reply) => {
    const { status, model, provider, q, cost, cursor, limit, ...rest } = request.query
    const metadata = metadataFilter(rest)
    const found = await store.list({
      limit,
      ...(status ? { status } : {}),
      ...(model ? { model } : {}),
      ...(provider ? { provider } : {}),
      ...(q ? { search: q } : {}),
      ...(cost ? { isCostUnknown: true as const } : {}),
      ...(cursor ? { cursor } : {}),
      ...seesOnly(request.caller),
      ...(Object.keys(metadata).length > 0 ? { metadata } : {}),
    })
    if (found.records.length === 0) refuseUnknownNames(deps, request.query, request.caller)
    return sendPage(request, reply, found, (record) => viewOf(record, links))
  })
}

function cancelRoute(app: App, deps: GenerationDependencies): void {
  const schema = {
    operationId: 'cancelGeneration',
    summary: 'Cancel a generation',
    description:
      'Stops polling and fallback, and asks the provider to stop the task where it has a cancel. `error.billed` says whether it may still bill it. A generation that has ended stays as it is.',
    tags: ['generations'],
    params: GenerationParams,
    response: { 200: Generation, ...problems },
  }
  app.post('/v1/generations/:id/cancel', { schema, config: { access: 'write' } }, async (request) => {
    const { id } = request.params
    const record = requireOwned(await deps.store.generation(id), request.caller, 'generation', id)
    return viewOf((await deps.run.cancel(id)) ?? (await deps.store.generation(id)) ?? record, deps.links)
  })
}

/** Where a filter found nothing: a name that the caller cannot know is a slip. */
function refuseUnknownNames(
  { models, installed }: GenerationDependencies,
  { model, provider }: z.infer<typeof ListQuery>,
  caller: Caller,
): void {
  if (provider) requireInstalled([{ path: 'provider', provider }], providersFor(caller.providers, installed()))
  const own = modelsFor(models, caller)
  if (!model || own.find(model)) return
  throw new HttpProblem(fieldProblem('model', `there is no model ${JSON.stringify(model)}; ${own.suggest(model)}`))
}

function metadataFilter(rest: Record<string, unknown>): Record<string, string> {
  const names = Object.keys(rest)
  if (names.length > MOST_METADATA)
    throw new HttpProblem(fieldProblem('metadata', `${names.length} filters, where a generation has at most ${MOST_METADATA}`))
  const entries = Object.entries(rest).map(([name, value]) => {
    if (!name.startsWith('metadata.'))
      throw new HttpProblem(fieldProblem(name, 'unknown filter; use status, model, provider, q, cost, metadata.<key>, cursor or limit'))
    return [name.slice('metadata.'.length), String(value)] as const
  })
  return Object.fromEntries(entries)
}
