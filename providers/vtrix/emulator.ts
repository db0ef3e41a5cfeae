import { randomInt } from 'node:crypto'
import fastify, { type FastifyReply } from 'fastify'
import { drawImage, SANDBOX_KEY, storyOf, taskDurationMs, type StartEmulator, type Story } from '#sandbox'
import { readSubmitBody, type Submitted } from './emulator-params.ts'

interface Task extends Submitted {
  readonly id: string
  readonly story: Story | null
  readonly createdAt: number
  readonly durationMs: number
  polls: number
  image: Promise<Buffer> | null
}

/** Prices of this emulator, made up to exercise the wire: the vendor's own are unknown. `cost` is the unit price less `discount`. */
const MADE_UP_USAGE = {
  flux_2_pro: { cost: '0.0285', discount: 0.0015, quantity: 1, unit_price: '0.03' },
  flux_pro_11: { cost: '0.038', discount: 0.002, quantity: 1, unit_price: '0.04' },
} as const

const TYPICAL_MS = 3000
const SLOW_FACTOR = 20
const LARGEST_BODY_BYTES = 256 * 1024 * 1024
const TASKS_KEPT = 50_000
const PICTURES_KEPT = 100
/** Polls that the story `unknown-status` answers with a status nobody documented. */
const STRANGE_POLLS = 2

/**
 * The vendor's wire over HTTP on loopback: submit, poll, and a delivery host in one. Of the stories, `partial` and `big-seed` end as
 * plain success: this wire has neither batches nor seeds in its replies. Task error codes are made up, as none are published.
 */
export const startEmulator: StartEmulator = async ({ port = 0, typicalMs = TYPICAL_MS } = {}) => {
  const app = fastify({ bodyLimit: LARGEST_BODY_BYTES, forceCloseConnections: true })
  const tasks = new Map<string, Task>()
  const drawn: Task[] = []
  const limitedOnce = new Set<string>()
  let submits = 0
  let origin = ''

  app.setErrorHandler<Error & { readonly statusCode?: number }>((error, _request, reply) =>
    reply.code(error.statusCode ?? 500).send({ message: error.message }),
  )
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ message: 'not found' }))
  app.addHook('onRequest', async (request, reply) => {
    if (request.url.startsWith('/model/') && request.headers.authorization !== `Bearer ${SANDBOX_KEY}`) return sendUnauthorized(reply)
  })

  app.post('/model/v1/generation', (request, reply) => {
    const submitted = readSubmitBody(request.body)
    if ('refusal' in submitted) return reply.code(400).send({ message: submitted.refusal })
    const story = storyOf(submitted.prompt, 'vtrix')
    if (story === 'rate-limited' && !limitedOnce.delete(submitted.prompt)) {
      limitedOnce.add(submitted.prompt)
      return sendRateLimited(reply)
    }
    if (refuseSubmit(story, reply)) return reply

    const duration = Math.max(1, taskDurationMs(typicalMs, Math.random())) * (story === 'slow' ? SLOW_FACTOR : 1)
    const task: Task = { ...submitted, id: newTaskId(), story, createdAt: Date.now(), durationMs: duration, polls: 0, image: null }
    submits += 1
    tasks.set(task.id, task)
    forgetOldest(tasks)
    return acceptSubmit(task, reply)
  })

  app.get<{ Params: { id: string } }>('/model/v1/generation/task/:id', (request, reply) => {
    const task = tasks.get(request.params.id)
    if (!task || task.story === 'vanished') return reply.code(404).send({ message: 'task not found' })
    task.polls += 1
    return reply.send(taskBody(task, origin))
  })

  app.get<{ Params: { file: string } }>('/outputs/:file', async (request, reply) => {
    const [id = '', extension] = request.params.file.split('.')
    const task = tasks.get(id)
    if (!task || stateOf(task) !== 'completed' || extension !== extensionOf(task)) return reply.code(404).send({ message: 'not found' })
    if (task.story === 'expired-link') return reply.code(403).send({ message: 'link expired' })
    if (task.story === 'not-an-image') return reply.type('text/html').send('<html><body>Not an image.</body></html>')
    const bytes = await imageOf(task, drawn)
    if (task.story === 'half-image') return breakOff(reply, `image/${task.format}`, bytes)
    return reply.type(`image/${task.format}`).send(bytes)
  })

  origin = await app.listen({ host: '127.0.0.1', port })
  return { url: origin, submits: () => submits, close: () => app.close() }
}

const sendUnauthorized = (reply: FastifyReply) => reply.code(401).send({ message: 'API key is missing or invalid' })
const sendRateLimited = (reply: FastifyReply) => reply.code(429).header('retry-after', '1').send({ message: 'Rate limit exceeded' })

/** Answers a submit whose story refuses it; nothing is bought. */
function refuseSubmit(story: Story | null, reply: FastifyReply): boolean {
  switch (story) {
    case 'always-rate-limited':
      sendRateLimited(reply)
      return true
    case 'unauthorized':
      sendUnauthorized(reply)
      return true
    case 'no-credit':
      reply.code(403).send({ message: 'Insufficient balance' })
      return true
    case 'unavailable':
      reply.code(503).send({ message: 'Service unavailable' })
      return true
    case 'crash':
      reply.code(500).send({ message: 'Internal server error' })
      return true
    default:
      return false
  }
}

/** Answers a submit that is taken and paid for; some stories lose the answer on its way. */
function acceptSubmit(task: Task, reply: FastifyReply): FastifyReply {
  const accepted = { id: task.id, status: 'in_progress', model: task.model, created_at: Math.floor(task.createdAt / 1000) }
  switch (task.story) {
    case 'lost-reply':
      reply.hijack()
      reply.raw.destroy()
      return reply
    case 'half':
      return breakOff(reply, 'application/json', Buffer.from(JSON.stringify(accepted)))
    case 'garbage':
      return reply.type('text/html').send('<html><head><title>502</title></head><body>Bad gateway</body></html>')
    default:
      return reply.send(accepted)
  }
}

/** Promises all bytes, sends half of them and cuts the connection. */
function breakOff(reply: FastifyReply, contentType: string, bytes: Buffer): FastifyReply {
  reply.hijack()
  reply.raw.writeHead(200, { 'content-type': contentType, 'content-length': bytes.length })
  reply.raw.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => reply.raw.destroy())
  return reply
}

type State = 'in_progress' | 'completed' | 'failed' | 'warming_up'

function stateOf(task: Task): State {
  if (task.story === 'unknown-status' && task.polls <= STRANGE_POLLS) return 'warming_up'
  if (task.story === 'never' || Date.now() - task.createdAt < task.durationMs) return 'in_progress'
  return failureOf(task) ? 'failed' : 'completed'
}

function failureOf(task: Task): { readonly code: string; readonly message: string } | null {
  switch (task.story) {
    case 'moderated':
      return { code: 'request_moderated', message: 'Request Moderated: the prompt was refused' }
    case 'moderated-output':
      return { code: 'content_moderated', message: 'Content Moderated: the generated image was refused' }
    case 'error':
      return { code: 'generation_failed', message: 'The model could not finish this task' }
    default:
      return null
  }
}

function taskBody(task: Task, origin: string) {
  const status = stateOf(task)
  const head = { id: task.id, status, model: task.model, created_at: Math.floor(task.createdAt / 1000) }
  switch (status) {
    case 'warming_up':
    case 'in_progress':
      return { ...head, progress: Math.min(0.99, Math.floor(((Date.now() - task.createdAt) / task.durationMs) * 100) / 100) }
    case 'failed':
      return { ...head, error: failureOf(task) }
    case 'completed': {
      const url = `${origin}/outputs/${task.id}.${extensionOf(task)}`
      return { ...head, progress: 1, output: [{ content: [{ type: 'image', url }] }], usage: MADE_UP_USAGE[task.model], metadata: {} }
    }
  }
}

const extensionOf = (task: Task): string => (task.format === 'jpeg' ? 'jpg' : task.format)

/** Drawn at the first fetch; the newest few are kept as bytes. */
function imageOf(task: Task, drawn: Task[]): Promise<Buffer> {
  if (!task.image) {
    task.image = drawImage({ ...task, seed: String(task.seed ?? task.id) })
    drawn.push(task)
    const oldest = drawn.length > PICTURES_KEPT ? drawn.shift() : undefined
    if (oldest) oldest.image = null
  }
  return task.image
}

function forgetOldest(tasks: Map<string, Task>): void {
  for (const id of tasks.keys()) {
    if (tasks.size <= TASKS_KEPT) return
    tasks.delete(id)
  }
}

/** Twenty characters like the vendor's own `d758n65e878c73cmdg20`. */
const newTaskId = (): string => Array.from({ length: 20 }, () => randomInt(32).toString(32)).join('')
