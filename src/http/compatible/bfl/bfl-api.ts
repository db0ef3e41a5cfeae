import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Json } from '#contract'
import type { Store } from '../../../core/ports.ts'
import { Refusal } from '../../../core/generation/refusal.ts'
import { viewOf } from '../../../core/present/generation.ts'
import type { ErrorShape } from '../../error-shape.ts'
import type { Begun, Completed, Intake } from '../../intake.ts'
import { owned } from '../../owned.ts'
import { loggedProblem, noRoute } from '../../problem.ts'
import { decodeUtf8, tooLarge } from '../../read-body.ts'
import { dollarsLeft } from '../dollars-left.ts'
import type { BalanceSources } from '../dollars-left.ts'
import { generationHeaders } from '../generation-headers.ts'
import type { MeasureReference } from '../measure-reference.ts'
import { CREDITS, POLL, SUBMIT } from './documented.ts'
import { ENDPOINTS, readBody } from './endpoints.ts'
import type { Endpoint } from './endpoint.ts'
import { BflProblem, bflProblem, reworded } from './problems.ts'
import { creditsOf, resultReply, submitReply, taskNotFound } from './task-reply.ts'
import { toRequest, withOtherSide } from './to-request.ts'
import type { Side, Translation } from './to-request.ts'
import { webhookTarget } from './webhook.ts'
import type { ImageLinks } from '../../../core/present/image-link.ts'

export interface BflDependencies extends BalanceSources {
  readonly intake: Pick<Intake, 'read' | 'begin' | 'wait'>
  readonly store: Pick<Store, 'generation'>
  readonly publicUrl: () => string
  readonly links: ImageLinks
  /** Needed only where one side of a size is to follow an image; without it both sides must be given. */
  readonly measureReference?: MeasureReference | undefined
}

export const BFL_PREFIX = '/bfl'

/**
 * BFL's API in front of the same intake as every other way in: submit, poll, credits, in BFL's own shapes, errors included. Clients that
 * append `/v1/…` to their base URL and clients that expect it there are both served.
 */
export const bflApi: FastifyPluginAsync<BflDependencies> = async (app, deps) => {
  await app.register(
    async (api) => {
      api.setErrorHandler((error, request, reply) => {
        if (!(error instanceof BflProblem)) loggedProblem(error, request)
        return sendProblem(reply, bflProblem(error))
      })
      api.setNotFoundHandler((request, reply) =>
        noRoute(request, reply).code === 'not_found'
          ? send(reply, 404, { detail: 'Not Found' })
          : send(reply, 405, { detail: 'Method Not Allowed' }),
      )
      // What is not JSON is judged, and refused, as a body that is no object.
      api.addContentTypeParser('*', async (request: FastifyRequest, body: AsyncIterable<Buffer>) =>
        otherText(body, request.routeOptions.bodyLimit),
      )
      for (const prefix of ['/v1', '']) {
        submitRoute(api, prefix, deps)
        pollRoute(api, prefix, deps)
        creditsRoute(api, prefix, deps)
      }
    },
    { prefix: BFL_PREFIX },
  )
}

/** More of what is refused in the end is not kept. */
const MOST_OTHER_BYTES = 64 * 1_024

async function otherText(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    if (bytes <= MOST_OTHER_BYTES) chunks.push(chunk)
    bytes += chunk.length
    if (bytes > maxBytes) throw tooLarge()
  }
  const kept = Buffer.concat(chunks)
  return (bytes > MOST_OTHER_BYTES ? kept.toString('latin1', 0, MOST_OTHER_BYTES) : decodeUtf8(kept)) || undefined
}

const sendProblem = (reply: FastifyReply, { status, detail }: BflProblem): FastifyReply => send(reply, status, { detail })

/** In the vendor's shape. */
export const BFL_ERRORS: ErrorShape = { prefix: BFL_PREFIX, send: (reply, details) => sendProblem(reply, reworded(details, [])) }

function submitRoute(api: FastifyInstance, prefix: string, deps: BflDependencies): void {
  const { intake } = deps
  const schema = {
    operationId: 'bflSubmit',
    summary: 'Submit a task (BFL)',
    ...SUBMIT,
    description: 'In BFL’s own shapes; `x-key` is the gateway key.',
    tags: ['compatible APIs'],
    hide: prefix === '',
  }
  api.post<{ Params: { endpoint: string } }>(`${prefix}/:endpoint`, { schema, config: { access: 'write' } }, async (request, reply) => {
    const endpoint = ENDPOINTS.get(request.params.endpoint)
    if (!endpoint) throw new BflProblem(404, `Not Found: this server has ${[...ENDPOINTS.keys()].join(', ')}`)
    const accepted = read(endpoint, request.body as Json | undefined)
    const { webhook, slots } = accepted
    const { id } = await begin(accepted, request, deps).catch((error: unknown) => {
      loggedProblem(error, request)
      throw bflProblem(error, slots)
    })
    // From here on nothing may fail: a client that gets an error submits, and buys, again.
    const record = await intake.wait(id, 0).catch(() => null)
    if (record) reply.headers(generationHeaders(viewOf(record, deps.links)))
    return send(reply, 200, submitReply(id, record, deps.publicUrl(), webhook?.url ?? null))
  })
}

type Accepted = Extract<Translation, { kind: 'request' }>

/** A body as a request. @throws BflProblem with each field that is wrong */
function read(endpoint: Endpoint, body: Json | undefined): Accepted {
  const judged = readBody(endpoint, body)
  if (judged.kind === 'invalid') throw new BflProblem(422, judged.issues)
  const translated = toRequest(endpoint, judged.values, judged.unknown)
  if (translated.kind === 'invalid') throw new BflProblem(422, translated.issues)
  return translated
}

async function begin(accepted: Accepted, { gatewayKey, headers }: FastifyRequest, deps: BflDependencies): Promise<Begun> {
  const { intake } = deps
  const { missingSide, warnings, webhook } = accepted
  const request = intake.read(accepted.request)
  const more = { warnings, webhook: webhook && webhookTarget(webhook) }
  if (missingSide === null) return intake.begin(request, gatewayKey, keyOf(headers), more)
  const { [missingSide]: _, ...sent } = request
  const complete = () => completed(accepted, missingSide, gatewayKey, deps)
  return intake.begin(sent, gatewayKey, keyOf(headers), { ...more, complete })
}

/** @throws Refusal where the image that decides the side cannot be measured */
async function completed(
  accepted: Accepted,
  missing: Side,
  key: string | null,
  { intake, measureReference }: BflDependencies,
): Promise<Completed> {
  const [first] = accepted.request['reference_images'] as readonly string[]
  const pixels = first === undefined ? null : ((await measureReference?.(first, key)) ?? null)
  if (pixels === null) {
    const message = 'the size of the first image cannot be read: send both width and height, or neither'
    throw new Refusal('invalid_request', `${missing}: ${message}`, [{ path: missing, message }])
  }
  const { request, warnings } = withOtherSide(accepted, missing, pixels)
  return { request: intake.read(request), warnings }
}

function pollRoute(api: FastifyInstance, prefix: string, { store, links }: BflDependencies): void {
  const schema = { operationId: 'bflGetResult', summary: 'Ask for a result (BFL)', ...POLL, tags: ['compatible APIs'], hide: prefix === '' }
  api.get<{ Querystring: { id?: string | string[] } }>(
    `${prefix}/get_result`,
    { schema, config: { access: 'read' } },
    async (request, reply) => {
      // BFL's own sample code adds the id to a polling_url that has it.
      const [id, ...others] = [request.query.id].flat()
      if (id === undefined) throw new BflProblem(422, [{ loc: ['query', 'id'], msg: 'Field required', type: 'missing' }])
      if (others.some((other) => other !== id))
        throw new BflProblem(422, [{ loc: ['query', 'id'], msg: 'Value error, one id is polled at a time', type: 'value_error' }])
      const record = owned(id.length > 100 ? null : await store.generation(id), request.caller)
      if (!record) return send(reply, 404, taskNotFound(id.slice(0, 100)))
      const generation = viewOf(record, links)
      return send(reply.headers(generationHeaders(generation)), 200, resultReply(generation))
    },
  )
}

function creditsRoute(api: FastifyInstance, prefix: string, deps: BflDependencies): void {
  const schema = {
    operationId: 'bflGetCredits',
    summary: 'Credits left (BFL)',
    ...CREDITS,
    description:
      'US cents: what is left of the gateway key’s budget; without one, the balances of the enabled providers that it may use together.',
    tags: ['compatible APIs'],
    hide: prefix === '',
  }
  api.get(`${prefix}/credits`, { schema, config: { access: 'read' } }, async (request, reply) => {
    const dollars = await dollarsLeft(deps, request.caller)
    if (dollars === null)
      throw new BflProblem(503, 'No budget is set for this key, and no enabled provider that it may use reports its balance')
    return send(reply, 200, { credits: creditsOf(dollars) })
  })
}

/** Not a header of BFL's; where it is sent, the same task is never bought twice. */
function keyOf({ 'idempotency-key': key }: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof key !== 'string') return undefined
  if (key.length >= 1 && key.length <= 255) return `bfl:${key}`
  throw new BflProblem(422, [{ loc: ['header', 'Idempotency-Key'], msg: 'Value error, it has 1 to 255 characters', type: 'value_error' }])
}

const send = (reply: FastifyReply, status: number, body: object): FastifyReply =>
  reply.code(status).header('content-type', 'application/json').send(JSON.stringify(body))
