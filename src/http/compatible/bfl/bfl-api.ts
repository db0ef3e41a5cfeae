import type { Post } from '../../../core/ports.ts'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply } from 'fastify'
import type { Json } from '#contract'
import { Refusal } from '../../../core/generation/accept.ts'
import { viewOf } from '../../../core/present/generation.ts'
import type { AppDependencies } from '../../app.ts'
import { hashOfKey } from '../../auth.ts'
import { createCourier } from '../courier.ts'
import { dollarsLeft } from '../dollars-left.ts'
import type { BudgetLeft } from '../dollars-left.ts'
import { generationHeaders } from '../generation-headers.ts'
import { whenEnded } from '../when-ended.ts'
import { ENDPOINTS, readBody } from './endpoints.ts'
import { BflProblem, notAuthenticated, problemOf, problemOfRefusal } from './problems.ts'
import { creditsOf, resultReply, submitReply, taskNotFound } from './task-reply.ts'
import { toRequest } from './to-request.ts'
import type { Webhook } from './to-request.ts'

export type BflDoorDependencies = Pick<
  AppDependencies,
  'intake' | 'run' | 'store' | 'clock' | 'keyNames' | 'providers' | 'publicUrl' | 'log'
> & {
  /** Without it, a `webhook_url` is refused. */
  readonly post?: Post | undefined
  readonly budgetLeft?: BudgetLeft | undefined
}

/**
 * BFL's API in front of the same intake as every other way in: submit, poll, credits, in BFL's own shapes, errors included. Clients that
 * append `/v1/…` to their base URL and clients that expect it there are both served.
 */
export const bflDoor: FastifyPluginAsync<BflDoorDependencies> = async (app, deps) => {
  await app.register(
    async (door) => {
      door.setErrorHandler((error, request, reply) => {
        const problem = problemOf(error)
        if (problem) return send(reply, problem.status, { detail: problem.detail })
        request.log.error({ err: error }, 'a request failed unexpectedly')
        return send(reply, 500, { detail: 'Internal Server Error' })
      })
      door.setNotFoundHandler((_request, reply) => send(reply, 404, { detail: 'Not Found' }))
      // What is not JSON is judged, and refused, as a body that is no object.
      door.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body === '' ? undefined : body))
      requireOwnKey(door, deps)
      for (const prefix of ['/v1', '']) routes(door, prefix, deps)
    },
    { prefix: '/bfl' },
  )
}

/** `x-key` holds the gateway key, where keys are configured. */
function requireOwnKey(door: FastifyInstance, { keyNames }: BflDoorDependencies): void {
  door.addHook('onRequest', (request, _reply, done) => {
    const names = keyNames()
    if (names.size === 0) return done()
    const name = names.get(hashOfKey(String(request.headers['x-key'] ?? '')))
    if (name === undefined) return done(notAuthenticated())
    request.gatewayKey = name
    done()
  })
}

function routes(door: FastifyInstance, prefix: string, deps: BflDoorDependencies): void {
  const { intake, store, run } = deps
  const courier = deps.post ? createCourier({ post: deps.post, clock: deps.clock, log: deps.log }) : null
  const hide = prefix === ''

  const submit = { summary: 'Submit a task (BFL)', description: 'In BFL’s own shapes; `x-key` is the gateway key.', tags: ['doors'], hide }
  door.post<{ Params: { endpoint: string } }>(`${prefix}/:endpoint`, { schema: submit }, async (request, reply) => {
    const endpoint = ENDPOINTS.get(request.params.endpoint)
    if (!endpoint) throw new BflProblem(404, `Not Found: this server has ${[...ENDPOINTS.keys()].join(', ')}`)
    const read = readBody(endpoint, request.body as Json | undefined)
    if (read.kind === 'invalid') throw new BflProblem(422, read.issues)
    const translated = toRequest(endpoint, read.values, read.unknown)
    if (translated.kind === 'invalid') throw new BflProblem(422, translated.issues)
    const { webhook, slots, warnings, request: asked } = translated
    if (webhook && !courier) {
      const msg = 'Value error, this server delivers no webhooks; poll instead'
      throw new BflProblem(422, [{ loc: ['body', 'webhook_url'], msg, type: 'value_error' }])
    }
    const { id, replayed } = await begin()
    // From here on nothing may fail: a client that is told an error submits, and buys, again.
    const record = await store.generation(id).catch(() => null)
    if (webhook && !replayed) tellAtEnd(id, webhook)
    if (record) reply.headers(generationHeaders(viewOf(record, deps.publicUrl())))
    return send(reply, 200, submitReply(id, record, deps.publicUrl(), webhook?.url ?? null))

    async function begin(): ReturnType<typeof intake.begin> {
      try {
        return await intake.begin(intake.read(asked), request.gatewayKey, keyOf(request.headers), warnings)
      } catch (error) {
        throw error instanceof Refusal ? problemOfRefusal(error, slots) : error
      }
    }
  })

  const poll = { summary: 'Ask for a result (BFL)', tags: ['doors'], hide }
  door.get<{ Querystring: { id?: string | string[] } }>(`${prefix}/get_result`, { schema: poll }, async (request, reply) => {
    const { id } = request.query
    if (typeof id !== 'string') throw new BflProblem(422, [{ loc: ['query', 'id'], msg: 'Field required', type: 'missing' }])
    const record = id.length > 100 ? null : await store.generation(id)
    if (!record || (request.gatewayKey !== null && record.key !== request.gatewayKey))
      return send(reply, 404, taskNotFound(id.slice(0, 100)))
    const generation = viewOf(record, deps.publicUrl())
    return send(reply.headers(generationHeaders(generation)), 200, resultReply(generation))
  })

  const credits = {
    summary: 'Credits left (BFL)',
    description: 'US cents: what is left of the gateway key’s budget; without one, the balances of the enabled providers together.',
    tags: ['doors'],
    hide,
  }
  door.get(`${prefix}/credits`, { schema: credits }, async (request, reply) => {
    const dollars = await dollarsLeft(deps, request.gatewayKey)
    if (dollars === null) throw new BflProblem(503, 'No budget is set for this key, and no enabled provider tells its balance')
    return send(reply, 200, { credits: creditsOf(dollars) })
  })

  /** The secret is handed back as it is: BFL compares, it does not sign. */
  function tellAtEnd(id: string, { url, secret }: Webhook): void {
    whenEnded({ run, store, log: deps.log }, id, (record) => {
      const body = JSON.stringify(resultReply(viewOf(record, deps.publicUrl())))
      courier?.({ url, body, headers: secret === null ? {} : { 'x-webhook-secret': secret } }, id)
    })
  }
}

/** Not a header of BFL's; where it is sent, the same task is never bought twice. */
function keyOf({ 'idempotency-key': key }: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof key !== 'string') return undefined
  if (key.length >= 1 && key.length <= 255) return `bfl:${key}`
  throw new BflProblem(422, [{ loc: ['header', 'Idempotency-Key'], msg: 'Value error, it has 1 to 255 characters', type: 'value_error' }])
}

const send = (reply: FastifyReply, status: number, body: object): FastifyReply =>
  reply.code(status).header('content-type', 'application/json').send(JSON.stringify(body))
