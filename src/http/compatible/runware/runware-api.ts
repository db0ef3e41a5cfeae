import type { IncomingMessage, Server } from 'node:http'
import type { Socket as NetSocket } from 'node:net'
import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Generation, JsonObject } from '#contract'
import type { Assets, Clock } from '../../../core/ports.ts'
import { pieceOf, type Piece } from '../../../reading/parse-turns.ts'
import { bearerOf, EVERYBODY, know } from '../../access.ts'
import { keepKeyEnd } from '../../request-context.ts'
import type { Caller, KeyRing } from '../../access.ts'
import type { ErrorShape } from '../../error-shape.ts'
import { changePieces } from '../../bytes-in-turns.ts'
import type { HttpProblem, ProblemDetails } from '../../http-problem.ts'
import type { Limits } from '../../limits/limits.ts'
import { createInlineImages } from '../../inline-images.ts'
import { loggedProblem, noRoute, statusOf } from '../../problem.ts'
import { warningsHeader } from '../generation-headers.ts'
import { overRateOfEach } from '../over-rate-of-each.ts'
import { FramesIn } from './frames-in.ts'
import { errorItem } from './items.ts'
import type { Item } from './items.ts'
import { TASKS } from './documented.ts'
import { authenticated, createPerform } from './perform.ts'
import type { Asker, Perform, PerformDependencies } from './perform.ts'
import { MAX_TASKS, tasksOf } from './messages.ts'
import { refuseUpgrade } from './refuse-upgrade.ts'
import { serveSocket } from './socket.ts'
import type { Socket } from './socket.ts'
import { retirementHeaders } from '../../retirement-headers.ts'
import { errorsOfBody, errorsOfProblem, FORBIDDEN, httpStatusOf, INVALID_KEY, STORE_AWAY } from './task-error.ts'

export interface RunwareDependencies extends PerformDependencies {
  readonly keys: KeyRing
  readonly assets: Pick<Assets, 'open' | 'read'>
  readonly limits: Pick<Limits, 'takeStream' | 'takeBytes' | 'takeTask'>
  readonly clock: Pick<Clock, 'after'>
  readonly bodyLimitBytes: number
}

/** As long as the vendor holds a synchronous answer; the task goes on, and getResponse returns its result. */
const SYNC_WAIT_MS = 120_000

/** A message is put together in one piece before it is read, which would stop others for a longer one; HTTP takes more. */
const MOST_MESSAGE_BYTES = 8 * 1_024 * 1_024
/** Of a message; each takes a hundred bytes of memory and more, however short it is. Browsers send one of 8 MB in 64. */
const MOST_FRAGMENTS = 512
const FEW_FRAMES = 4
/** How long a client has to answer that its connection is closed, at a stop of the gateway, too. */
const CLOSE_MS = 2_000
/** Frames of a connection that are read before others have a turn. */
const MOST_FRAMES_AT_ONCE = 64

/**
 * Runware's API in front of the same intake as every other way in: task arrays by HTTP, and the WebSocket that its SDK speaks, at
 * `/runware/v1` and, for clients that take the base URL as it is, at `/runware`.
 */
export const runwareApi: FastifyPluginAsync<RunwareDependencies> = async (app, deps) => {
  await app.register(
    async (api) => {
      api.setErrorHandler(sendError)
      api.setNotFoundHandler((request, reply) =>
        noRoute(request, reply).code === 'not_found'
          ? sendJson(reply, 404, { errors: [{ code: 'notFound', message: 'POST task arrays to /runware/v1.' }] })
          : sendJson(reply, 405, { errors: [{ code: 'methodNotAllowed', message: 'POST task arrays, or open a WebSocket.' }] }),
      )
      await api.register(websocket, {
        options: {
          maxPayload: Math.min(deps.bodyLimitBytes, MOST_MESSAGE_BYTES),
          maxFragments: MOST_FRAGMENTS,
          closeTimeout: CLOSE_MS,
        },
        // A connection that breaks is the client's to open anew.
        errorHandler: (error, _socket, request) => request.log.info({ reason: error.message }, 'a websocket broke'),
      })
      api.websocketServer.on('wsClientError', refuseUpgrade)
      takeFramesInTurns(app.server)
      const perform = createPerform(deps)
      for (const path of ['/v1', '/']) {
        tasksRoute(api, path, perform, deps)
        socketRoute(api, path, perform, deps)
      }
    },
    { prefix: RUNWARE_ERRORS.prefix },
  )
}

/** Frames of one byte are thousands in a packet. Those that come behind the request to upgrade, in its packet, are no exception. */
function takeFramesInTurns(server: Server): void {
  const listeners = server.listeners('upgrade')
  server.removeAllListeners('upgrade')
  server.on('upgrade', (request: IncomingMessage, socket: NetSocket, behind: Buffer<ArrayBuffer>) => {
    const frames = new FramesIn()
    const next = (bytes: Buffer): Piece => {
      const before = frames.count
      const end = frames.pass(bytes, MOST_FRAMES_AT_ONCE)
      return pieceOf(bytes, end, frames.count - before <= FEW_FRAMES)
    }
    changePieces(socket, next, behind)
    for (const listener of listeners) listener.call(server, request, socket, Buffer.alloc(0))
  })
}

/** In the vendor's shape. */
export const RUNWARE_ERRORS: ErrorShape = { prefix: '/runware', send: (reply, details) => sendProblem(reply, details) }

function tasksRoute(api: FastifyInstance, path: string, perform: Perform, { keys, assets }: RunwareDependencies): void {
  const schema = {
    operationId: 'runwareTasks',
    summary: 'Do an array of tasks (Runware)',
    description:
      'In Runware’s own shapes: imageInference, getResponse, accountManagement. The bearer token, or a leading authentication task, is the ' +
      'gateway key. Errors of single tasks are in `errors[]`, and an answer without any `data` has the status of the first. The same path ' +
      'takes the WebSocket of Runware’s SDK.',
    tags: ['compatible APIs'],
    hide: path === '/',
    ...TASKS,
  }
  api.post(path, { schema, config: { access: 'read', keyInBody: true } }, async (request, reply) => {
    const array = tasksOf(request.body)
    const first = array?.[0]
    const signIn = first && isSignIn(first) ? first : null
    const caller = signIn ? callerOf(keys, signIn, request.caller) : request.caller
    if (caller === null || caller.scope === null || array?.some((task) => namesAnother(keys, task, caller)) === true)
      return sendJson(reply, 401, { errors: [INVALID_KEY] })
    if (!array) {
      const message = `The body must be an array of 1 to ${MAX_TASKS} task objects.`
      return sendJson(reply, 400, { errors: [{ code: 'invalidPayload', message }] })
    }
    if (caller.key !== request.caller.key) {
      const over = await keys.overRate(caller, reply)
      if (over) throw over
    }
    know(request, caller)
    const { apiKey } = signIn ?? {}
    if (typeof apiKey === 'string') keepKeyEnd((end) => keys.whileValid(apiKey, caller, end))
    const asked = signIn ? array.slice(1) : array
    const images = createInlineImages(assets)
    const refusals = await overRateOfEach(keys, request, asked.length, reply)
    const answers = await Promise.all(
      asked.map(async (task, index) =>
        refusals[index] ? overRate(refusals[index], task) : answer(perform, task, { caller, inBase64: images.inBase64 }),
      ),
    )
    const data = asked.length === 0 && signIn ? [authenticated(signIn)] : answers.flatMap((one) => one.data)
    const errors = answers.flatMap((one) => one.errors)
    const [failure] = errors
    reply.headers(headersOf(answers.flatMap(({ generation }) => generation ?? [])))
    const status = failure && data.length === 0 ? httpStatusOf(String(failure['code'])) : 200
    if (status !== 429) reply.removeHeader('retry-after')
    return images.send(reply, { data, ...(failure ? { errors } : {}) }, status)
  })
}

function socketRoute(api: FastifyInstance, url: string, perform: Perform, { keys, clock, log, limits, assets }: RunwareDependencies): void {
  api.route({
    method: 'GET',
    url,
    exposeHeadRoute: false,
    schema: { hide: true },
    config: { access: 'read', keyInBody: true },
    handler: (request, reply) =>
      request.caller.scope === null
        ? sendJson(reply, 401, { errors: [INVALID_KEY] })
        : sendJson(reply.header('upgrade', 'websocket'), 426, {
            errors: [{ code: 'upgradeRequired', message: 'POST tasks, or open a WebSocket.' }],
          }),
    wsHandler: (socket: Socket, request: FastifyRequest) => {
      const { dryRun } = request.query as { readonly dryRun?: string }
      serveSocket(socket, {
        perform,
        assets,
        keys,
        limits,
        secret: bearerOf(request),
        isDryRun: dryRun !== undefined && dryRun !== '0',
        clock,
        log,
        raw: request.raw.socket,
        takeBytes: (key, bytes) => limits.takeBytes({ raw: request.raw, caller: { key } }, bytes),
      })
    },
  })
}

interface Answer {
  readonly data: readonly Item[]
  readonly errors: readonly Item[]
  readonly generation: Generation | null
}

async function answer(perform: Perform, task: JsonObject, { caller, inBase64 }: Pick<Asker, 'caller' | 'inBase64'>): Promise<Answer> {
  const data: Item[] = []
  const errors: Item[] = []
  const generation = await perform(task, {
    caller,
    inBase64,
    waitMs: SYNC_WAIT_MS,
    send: (part) => {
      data.push(...part.data)
      errors.push(...part.errors)
    },
  })
  return { data, errors, generation }
}

/** A task that is over its key's rate: nothing of it is begun. */
const overRate = ({ details }: HttpProblem, task: JsonObject): Answer => ({
  data: [],
  errors: errorsOfProblem(details, task).map((error) => errorItem(error, task['taskUUID'], task['taskType'])),
  generation: null,
})

const isSignIn = ({ taskType }: JsonObject): boolean => taskType === 'authentication'

/** Whether it is an authentication task with a wrong key, or with another than the one that all tasks run under. */
const namesAnother = (keys: KeyRing, task: JsonObject, caller: Caller): boolean =>
  isSignIn(task) && callerOf(keys, task, caller)?.key !== caller.key

/** Whose key an authentication task names; null where it is none. One that names none continues as `otherwise`. */
function callerOf(keys: KeyRing, { apiKey }: JsonObject, otherwise: Caller | null): Caller | null {
  if (!keys.isOn()) return EVERYBODY
  if (apiKey === undefined) return otherwise
  return typeof apiKey === 'string' ? keys.identify(apiKey) : null
}

/** One value for each generation, in the order of the tasks. */
function headersOf(generations: readonly Generation[]): Record<string, string> {
  if (generations.length === 0) return {}
  const list = (read: (generation: Generation) => string) => generations.map(read).join(', ')
  const warnings = warningsHeader(generations.flatMap((generation) => generation.warnings))
  return {
    'x-imagegate-generation-id': list(({ id }) => id),
    'x-imagegate-provider': list(({ provider }) => provider ?? ''),
    'x-imagegate-cost-usd': list(({ cost }) => cost.amount ?? ''),
    'x-imagegate-cost-basis': list(({ cost }) => cost.basis),
    ...(warnings === null ? {} : { 'x-imagegate-warnings': warnings }),
    ...retirementHeaders(generations.flatMap((generation) => generation.warnings)),
  }
}

/** A request that did not come as far as its tasks. */
function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = loggedProblem(error, request)
  // What a stranger sent is not judged. Where the URL is too long, nobody has asked yet who sent it.
  const caller = request.caller as Caller | undefined
  const isJudged = problem.code === 'unauthorized' || problem.code === 'rate_limited'
  if (caller?.scope === null && !isJudged) return sendJson(reply, 401, { errors: [INVALID_KEY] })
  return sendProblem(reply, problem)
}

function sendProblem(reply: FastifyReply, problem: ProblemDetails): FastifyReply {
  const refuse = (code: string, message: string) => sendJson(reply, statusOf(problem), { errors: [{ code, message }] })
  switch (problem.code) {
    case 'unauthorized':
      return statusOf(problem) === 403
        ? refuse(FORBIDDEN, problem.detail)
        : sendJson(reply, 401, { errors: [{ ...INVALID_KEY, message: problem.detail }] })
    case 'rate_limited':
      return refuse('rateLimitExceeded', problem.detail)
    case 'payload_too_large':
      return refuse('maxPayloadExceeded', 'The body is larger than this server takes.')
    case 'unsupported_media_type':
      return refuse('unsupportedMediaType', problem.detail)
    case 'store_unavailable':
      return refuse(STORE_AWAY, problem.detail)
    case 'internal':
      return refuse('internalServerError', 'An unexpected error; the server log says more.')
    default:
      // Of a request whose URL or headers are wrong.
      if (problem.status !== undefined) return refuse('invalidRequest', problem.detail)
      if (problem.errors?.length) return sendJson(reply, statusOf(problem), { errors: errorsOfBody(problem) })
      return refuse('invalidJson', `The body must be JSON, sent as application/json. ${problem.detail}`)
  }
}

const sendJson = (reply: FastifyReply, status: number, body: object): FastifyReply =>
  reply.code(status).header('content-type', 'application/json').send(JSON.stringify(body))
