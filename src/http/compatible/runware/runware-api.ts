import type { Post } from '../../../core/ports.ts'
import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Generation, JsonObject } from '#contract'
import type { AppDependencies } from '../../app.ts'
import { hashOfKey } from '../../auth.ts'
import type { KeyNames } from '../../auth.ts'
import { createCourier } from '../courier.ts'
import type { BudgetLeft } from '../dollars-left.ts'
import { warningsHeader } from '../generation-headers.ts'
import type { Item } from './items.ts'
import { authenticated, createPerform } from './perform.ts'
import type { Perform } from './perform.ts'
import { MAX_TASKS, serveSocket, tasksOf } from './socket.ts'
import type { Socket } from './socket.ts'
import { INVALID_KEY } from './task-error.ts'

export type RunwareDoorDependencies = Pick<
  AppDependencies,
  'intake' | 'run' | 'store' | 'assets' | 'models' | 'clock' | 'keyNames' | 'providers' | 'publicUrl' | 'bodyLimitBytes' | 'log'
> & {
  /** Without it, a `webhookURL` is refused. */
  readonly post?: Post | undefined
  readonly budgetLeft?: BudgetLeft | undefined
}

/** As long as the vendor holds a synchronous answer; the task goes on, and getResponse tells its result. */
const SYNC_WAIT_MS = 120_000

/**
 * Runware's API in front of the same intake as every other way in: task arrays by HTTP, and the WebSocket that its SDK speaks, at
 * `/runware/v1` and, for clients that take the base URL as it is, at `/runware`.
 */
export const runwareDoor: FastifyPluginAsync<RunwareDoorDependencies> = async (app, deps) => {
  await app.register(
    async (door) => {
      door.setErrorHandler((error, request, reply) => sendError(error as Error & { statusCode?: number; code?: string }, request, reply))
      door.setNotFoundHandler((_request, reply) =>
        sendJson(reply, 404, { errors: [{ code: 'notFound', message: 'POST task arrays to /runware/v1.' }] }),
      )
      await door.register(websocket, {
        options: { maxPayload: deps.bodyLimitBytes },
        // A connection that breaks is the client's to open anew.
        errorHandler: (error, _socket, request) => request.log.info({ reason: error.message }, 'a websocket broke'),
      })
      const courier = deps.post ? createCourier({ post: deps.post, clock: deps.clock, log: deps.log }) : null
      const perform = createPerform({ ...deps, courier })
      for (const path of ['/v1', '/']) routes(door, path, perform, deps.keyNames)
    },
    { prefix: '/runware' },
  )
}

function routes(door: FastifyInstance, path: string, perform: Perform, keyNames: KeyNames): void {
  const hide = path === '/'

  const tasks = {
    summary: 'Do an array of tasks (Runware)',
    description:
      'In Runware’s own shapes: imageInference, getResponse, accountManagement. The bearer token, or a leading authentication task, is the ' +
      'gateway key. Errors of single tasks are in `errors[]` of a 200. The same path takes the WebSocket of Runware’s SDK.',
    tags: ['doors'],
    hide,
  }
  door.post(path, { schema: tasks }, async (request, reply) => {
    const array = tasksOf(request.body)
    if (!array) {
      const message = `The body must be an array of 1 to ${MAX_TASKS} task objects.`
      return sendJson(reply, 400, { errors: [{ code: 'invalidPayload', message }] })
    }
    const [first] = array
    const signIn = first?.['taskType'] === 'authentication' ? first : null
    const key = keyOf(keyNames, [signIn?.['apiKey'], bearerOf(request)])
    if (key === undefined) return sendJson(reply, 401, { errors: [INVALID_KEY] })
    request.gatewayKey = key
    const asked = signIn ? array.slice(1) : array
    const answers = await Promise.all(asked.map((task) => answer(perform, task, key)))
    const data = asked.length === 0 && signIn ? [authenticated(signIn)] : answers.flatMap((one) => one.data)
    const errors = answers.flatMap((one) => one.errors)
    reply.headers(headersOf(answers.flatMap(({ generation }) => generation ?? [])))
    return sendJson(reply, 200, { data, ...(errors.length > 0 ? { errors } : {}) })
  })

  door.route({
    method: 'GET',
    url: path,
    exposeHeadRoute: false,
    schema: { hide: true },
    handler: (_request, reply) =>
      sendJson(reply.header('upgrade', 'websocket'), 426, {
        errors: [{ code: 'upgradeRequired', message: 'POST tasks, or open a WebSocket.' }],
      }),
    wsHandler: (socket: Socket, request: FastifyRequest) => {
      const { dryRun } = request.query as { readonly dryRun?: string }
      serveSocket(socket, { perform, keyNames, token: bearerOf(request), isDryRun: dryRun !== undefined && dryRun !== '0' })
    },
  })
}

interface Answer {
  readonly data: readonly Item[]
  readonly errors: readonly Item[]
  readonly generation: Generation | null
}

async function answer(perform: Perform, task: JsonObject, key: string | null): Promise<Answer> {
  const data: Item[] = []
  const errors: Item[] = []
  const generation = await perform(task, {
    key,
    waitMs: SYNC_WAIT_MS,
    tell: (part) => {
      data.push(...part.data)
      errors.push(...part.errors)
    },
  })
  return { data, errors, generation }
}

/** The name of the first valid key; null where none are configured, undefined where none is valid. */
function keyOf(keyNames: KeyNames, keys: readonly unknown[]): string | null | undefined {
  const names = keyNames()
  if (names.size === 0) return null
  for (const key of keys) {
    const name = typeof key === 'string' ? names.get(hashOfKey(key)) : undefined
    if (name !== undefined) return name
  }
  return undefined
}

const bearerOf = ({ headers }: FastifyRequest): string | null => /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1] ?? null

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
  }
}

function sendError(error: Error & { readonly statusCode?: number; readonly code?: string }, request: FastifyRequest, reply: FastifyReply) {
  const status = error.statusCode ?? (error instanceof SyntaxError ? 400 : 500)
  if (status === 413)
    return sendJson(reply, 413, { errors: [{ code: 'maxPayloadExceeded', message: 'The body is larger than this server takes.' }] })
  if (status < 500)
    return sendJson(reply, status, { errors: [{ code: 'invalidJson', message: 'The body must be JSON, sent as application/json.' }] })
  request.log.error({ err: error }, 'a request failed unexpectedly')
  return sendJson(reply, 500, { errors: [{ code: 'internalServerError', message: 'An unexpected error; the server log says more.' }] })
}

const sendJson = (reply: FastifyReply, status: number, body: object): FastifyReply =>
  reply.code(status).header('content-type', 'application/json').send(JSON.stringify(body))
