import fastify from 'fastify'
import type { FastifyReply } from 'fastify'
import { subtractUsd } from '#contract'
import type { Usd } from '#contract'
import { SANDBOX_KEY, storyOf } from '#sandbox'
import type { StartEmulator, Story } from '#sandbox'
import { ENDPOINTS } from './emulator-endpoints.ts'
import {
  acceptTask,
  asCredits,
  isChargedFor,
  isForgotten,
  isLinkAlive,
  isUnfinished,
  notFound,
  imageOf,
  resultReply,
  submitReply,
} from './emulator-task.ts'
import type { Task } from './emulator-task.ts'
import { validate } from './emulator-validation.ts'

const MAX_UNFINISHED = 24
const TYPICAL_MS = 3000
const START_BALANCE: Usd = '1000'
/** The same prompt is refused again, in `rate-limited`, only after this long. */
const RATE_STORY_MS = 10_000
const MAX_BODY_BYTES = 256 * 1024 * 1024

/**
 * An emulator of BFL's API on loopback: the wire of https://api.bfl.ai/openapi.json (2026-11-21) over real HTTP, with real
 * images. It never fetches a reference; its webhooks go to loopback only. Where BFL documents nothing (texts of errors,
 * the balance at start), the emulator says something plausible.
 */
export const startEmulator: StartEmulator = async ({ port = 0, typicalMs = TYPICAL_MS } = {}) => {
  const app = fastify({ logger: false, bodyLimit: MAX_BODY_BYTES, forceCloseConnections: true })
  const tasks = new Map<string, Task>()
  const refusedAt = new Map<string, number>()
  const timers = new Set<NodeJS.Timeout>()
  let serial = 0
  let balance = START_BALANCE
  let origin = ''

  app.setErrorHandler((error: { readonly statusCode?: number; readonly message: string }, _request, reply) => {
    const status = error.statusCode ?? 500
    if (status >= 500) return reply.code(500).type('text/plain').send('Internal Server Error')
    if (status === 413) return sendJson(reply, 413, { detail: 'Request Entity Too Large' })
    return sendJson(reply, 422, { detail: [{ loc: ['body', 0], msg: 'JSON decode error', type: 'json_invalid' }] })
  })
  app.setNotFoundHandler((_request, reply) => sendJson(reply, 404, { detail: 'Not Found' }))

  app.post<{ Params: { model: string } }>('/v1/:model', async (request, reply) => {
    if (request.headers['x-key'] !== SANDBOX_KEY) return sendJson(reply, 401, { detail: 'Not authenticated' })
    const endpoint = Object.hasOwn(ENDPOINTS, request.params.model) ? ENDPOINTS[request.params.model] : undefined
    if (!endpoint) return sendJson(reply, 404, { detail: 'Not Found' })
    if (!isRecord(request.body)) {
      return sendJson(reply, 422, { detail: [{ loc: ['body'], msg: 'Input should be a valid dictionary', type: 'model_attributes_type' }] })
    }
    const issues = validate(endpoint, request.body)
    if (issues.length > 0) return sendJson(reply, 422, { detail: issues })

    const prompt = typeof request.body['prompt'] === 'string' ? request.body['prompt'] : ''
    const story = storyOf(prompt, 'bfl')
    if (refuse(reply, story, prompt)) return reply
    if (unfinishedTasks() >= MAX_UNFINISHED) return sendJson(reply, 429, { detail: 'Too many active tasks' })

    const task = acceptTask(endpoint, request.body, serial, typicalMs)
    serial += 1
    tasks.set(task.id, task)
    if (isChargedFor(task)) balance = subtractUsd(balance, task.price)
    promiseWebhook(task)

    const body = submitReply(task, origin)
    if (story === 'lost-reply' || story === 'half')
      return breakOff(reply, 'application/json', Buffer.from(JSON.stringify(body)), story === 'half')
    return sendJson(reply, 200, body)
  })

  // No security is documented for this route; a key is neither asked for nor looked at.
  app.get<{ Querystring: Readonly<Record<string, string>> }>('/v1/get_result', (request, reply) => {
    const id = request.query['id']
    if (!id) return sendJson(reply, 422, { detail: [{ loc: ['query', 'id'], msg: 'Field required', type: 'missing' }] })
    const task = tasks.get(id)
    if (!task) return sendJson(reply, 404, notFound(id))
    task.polls += 1
    return sendJson(reply, 200, resultReply(task, Date.now(), origin))
  })

  app.get('/v1/credits', (request, reply) =>
    request.headers['x-key'] === SANDBOX_KEY
      ? sendJson(reply, 200, { credits: asCredits(balance) })
      : sendJson(reply, 401, { detail: 'Not authenticated' }),
  )

  app.get<{ Params: { file: string }; Querystring: Readonly<Record<string, string>> }>('/delivery/:file', async (request, reply) => {
    const task = tasks.get(request.params.file.replace(/\.\w+$/, ''))
    if (!task || !isLinkAlive(task, request.query, Date.now())) {
      return reply.code(403).type('application/xml').send('<?xml version="1.0"?><Error><Code>AuthenticationFailed</Code></Error>')
    }
    const type = `image/${task.format}`
    if (task.story === 'not-an-image') return reply.type(type).send('This is not an image.')
    const bytes = await imageOf(task)
    return task.story === 'half-image' ? breakOff(reply, type, bytes, true) : reply.type(type).send(bytes)
  })

  function unfinishedTasks(): number {
    const now = Date.now()
    for (const task of tasks.values()) if (isForgotten(task, now)) tasks.delete(task.id)
    return [...tasks.values()].filter((task) => isUnfinished(task, now)).length
  }

  /** Answers the stories that refuse a submit. False where the prompt asks for none of them. */
  function refuse(reply: FastifyReply, story: Story | null, prompt: string): boolean {
    switch (story) {
      case 'unauthorized':
        void sendJson(reply, 403, { detail: 'Not authenticated' })
        return true
      case 'no-credit':
        void sendJson(reply, 402, { detail: 'Insufficient credits' })
        return true
      case 'unavailable':
        void sendJson(reply, 503, { detail: 'Service Unavailable' })
        return true
      case 'crash':
        void reply.code(500).type('text/plain').send('Internal Server Error')
        return true
      case 'garbage':
        void reply.code(200).type('text/html').send('<!doctype html><title>Just a moment…</title><p>Checking your browser.</p>')
        return true
      case 'rate-limited':
      case 'always-rate-limited': {
        const now = Date.now()
        if (story === 'rate-limited' && now - (refusedAt.get(prompt) ?? 0) < RATE_STORY_MS) return false
        refusedAt.set(prompt, now)
        void sendJson(reply.header('retry-after', '1'), 429, { detail: 'Too many active tasks' })
        return true
      }
      default:
        return false
    }
  }

  function promiseWebhook(task: Task): void {
    const { webhook } = task
    if (webhook === null || task.story === 'never' || task.story === 'vanished' || !isLoopback(webhook.url)) return
    const timer = setTimeout(() => {
      timers.delete(timer)
      const headers = { 'content-type': 'application/json', ...(webhook.secret === null ? {} : { 'x-webhook-secret': webhook.secret }) }
      const body = JSON.stringify(resultReply(task, Date.now(), origin))
      // A receiver that is gone is its own loss: whether and how BFL tries again is not documented.
      fetch(webhook.url, { method: 'POST', headers, body, redirect: 'manual', signal: AbortSignal.timeout(5000) }).then(
        (answer) => answer.body?.cancel(),
        () => undefined,
      )
    }, task.durationMs + 1)
    timers.add(timer)
  }

  await app.listen({ host: '127.0.0.1', port })
  const address = app.server.address()
  origin = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : port}`
  return {
    url: origin,
    submits: () => serial,
    close: async () => {
      for (const timer of timers) clearTimeout(timer)
      await app.close()
    },
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const sendJson = (reply: FastifyReply, status: number, body: object): FastifyReply =>
  reply.code(status).type('application/json').send(JSON.stringify(body))

/** Ends the connection: after half of the body, or before any of the reply. */
function breakOff(reply: FastifyReply, type: string, bytes: Buffer, half: boolean): FastifyReply {
  reply.hijack()
  if (!half) {
    reply.raw.destroy()
    return reply
  }
  reply.raw.writeHead(200, { 'content-type': type, 'content-length': bytes.length })
  reply.raw.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => reply.raw.destroy())
  return reply
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])
const isLoopback = (url: string): boolean => {
  const parsed = URL.parse(url)
  return parsed?.protocol === 'http:' && LOOPBACK.has(parsed.hostname)
}
