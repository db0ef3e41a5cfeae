import fastify from 'fastify'
import { subtractUsd, type Usd } from '#contract'
import { SANDBOX_KEY, storyOf, type StartEmulator } from '#sandbox'
import { BAD_KEY, breakOff, CONFLICT, NOT_FOUND, refusalOf, send, sendJson, type Answer } from './emulator-reply.ts'
import {
  acceptTask,
  chargeOf,
  errorEntry,
  exactly,
  formatOf,
  isLinkAlive,
  lookAt,
  imageOf,
  resultEntry,
  type Result,
  type Task,
} from './emulator-task.ts'
import { isFields, isUuidV4, validate, type Fields, type WireError } from './emulator-validation.ts'
import { webhookSender } from './emulator-webhook.ts'

const TYPICAL_MS = 2500
const START_BALANCE: Usd = '1000'
const LARGEST_BODY_BYTES = 256 * 1024 * 1024
const TASKS_KEPT = 50_000
const PICTURES_KEPT = 100

/**
 * An emulator of Runware's API on loopback: task arrays at POST /v1 as https://runware.ai/docs describes them (2026-11-21), real
 * images at /image. It never fetches a reference, and its webhooks go to loopback only. Where nothing is documented (the exact
 * acknowledgement, the status beside an error, whether failures are billed) it does something plausible.
 */
export const startEmulator: StartEmulator = async ({ port = 0, typicalMs = TYPICAL_MS } = {}) => {
  const app = fastify({ logger: false, bodyLimit: LARGEST_BODY_BYTES, forceCloseConnections: true })
  const tasks = new Map<string, Task>()
  const results = new Map<string, Result>()
  const drawn: Result[] = []
  const limitedOnce = new Set<string>()
  const timers = new Set<NodeJS.Timeout>()
  const webhooks = webhookSender()
  let submits = 0
  let balance = START_BALANCE
  let origin = ''

  app.setErrorHandler((error: { readonly statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500
    const said: WireError =
      status < 500
        ? { code: 'invalidJson', message: 'The body is not valid JSON.' }
        : { code: 'internalServerError', message: 'Internal server error.' }
    return sendJson(reply, status, { errors: [said] })
  })
  app.setNotFoundHandler((_request, reply) => sendJson(reply, 404, { errors: [{ code: 'notFound', message: 'Not found.' }] }))

  app.post('/v1', async (request, reply) => {
    if (!Array.isArray(request.body) || request.body.length === 0 || !request.body.every(isFields)) {
      return sendJson(reply, 400, { errors: [{ code: 'invalidPayload', message: 'The body must be an array of task objects.' }] })
    }
    const [first, ...rest] = request.body as readonly Fields[]
    const signsIn = first?.['taskType'] === 'authentication'
    const key = signsIn ? `Bearer ${String(first['apiKey'])}` : request.headers.authorization
    if (key !== `Bearer ${SANDBOX_KEY}`) return sendJson(reply, 401, { errors: [BAD_KEY] })
    const hungUp = new Promise<void>((resolve) => reply.raw.once('close', resolve))
    const answers = await Promise.all((signsIn ? rest : request.body).map((task: Fields) => answer(task, hungUp)))
    return reply.raw.destroyed ? reply.hijack() : send(reply, answers)
  })

  app.get<{ Params: { file: string } }>('/image/:file', async (request, reply) => {
    const [imageUUID = '', extension] = request.params.file.split('.')
    const result = results.get(imageUUID)
    if (!result || formatOf(result.task).extension !== extension || !isLinkAlive(result, Date.now())) {
      return reply.code(404).type('text/plain').send('Not Found')
    }
    if (result.task.story === 'not-an-image') return reply.type('text/html').send('<html><body>Not an image.</body></html>')
    const type = `image/${formatOf(result.task).format}`
    const bytes = await rememberedImageOf(result)
    return result.task.story === 'half-image' ? breakOff(reply, type, bytes, 'half') : reply.type(type).send(bytes)
  })

  async function answer(task: Fields, hungUp: Promise<void>): Promise<Answer> {
    const { taskType, taskUUID } = task
    const refuse = (status: number, ...errors: readonly WireError[]): Answer => ({
      status,
      data: [],
      errors: errors.map((error) => errorEntry(error, taskUUID, taskType)),
    })
    switch (taskType) {
      case 'imageInference': {
        const problems = validate(task)
        if (problems.length > 0) return refuse(400, ...problems)
        if (tasks.has(String(taskUUID).toLowerCase())) return refuse(400, CONFLICT)
        const story = storyOf(String(task['positivePrompt']), 'runware')
        const refusal = refusalOf(story, String(task['positivePrompt']), limitedOnce)
        return refusal ? refuse(refusal.status, refusal.error) : run(accept(task), hungUp)
      }
      case 'getResponse': {
        if (!isUuidV4(taskUUID))
          return refuse(400, { code: 'invalidTaskUUID', message: 'taskUUID must be a UUID v4.', parameter: 'taskUUID' })
        const known = tasks.get(taskUUID.toLowerCase())
        if (!known) return refuse(404, NOT_FOUND)
        const { data, errors } = await lookAt(known, origin)
        return { status: 200, data, errors }
      }
      case 'accountManagement':
        if (task['operation'] !== 'getDetails')
          return refuse(400, { code: 'invalidOperation', message: 'Unknown operation.', parameter: 'operation' })
        return { status: 200, data: [{ taskType, taskUUID, organizationName: 'Sandbox', balance: exactly(balance) }], errors: [] }
      default:
        return refuse(400, { code: 'invalidTaskType', message: 'Unknown taskType.', parameter: 'taskType' })
    }
  }

  function accept(fields: Fields): Task {
    const task = acceptTask(fields, typicalMs)
    submits += 1
    tasks.set(task.taskUUID.toLowerCase(), task)
    for (const result of task.results) results.set(result.imageUUID, result)
    balance = subtractUsd(balance, chargeOf(task))
    forgetOldest()
    const url = fields['webhookURL']
    if (typeof url === 'string' && task.story !== 'vanished') {
      for (const result of task.results) {
        at(result.readyAt, () => void resultEntry(result, origin).then((entry) => webhooks.deliver(url, entry)))
      }
    }
    return task
  }

  /** Holds the answer until the task ends or the client is gone; an asynchronous one is acknowledged at once. */
  async function run(task: Task, hungUp: Promise<void>): Promise<Answer> {
    const none: Answer = { status: 200, data: [], errors: [] }
    const acknowledged = { taskType: 'imageInference', taskUUID: task.taskUUID }
    if (task.story === 'lost-reply') return { ...none, silence: 'all' }
    if (task.story === 'garbage') return { ...none, html: '<!doctype html><title>Just a moment…</title><p>Checking your browser.</p>' }
    if (task.fields['deliveryMethod'] === 'async')
      return { ...none, data: [acknowledged], ...(task.story === 'half' ? { silence: 'half' } : {}) }
    if (task.story === 'vanished') return none
    if (task.story === 'unknown-status') return { ...none, data: [{ ...acknowledged, status: 'warmingUp' }] }
    const ended = new Promise<void>((resolve) => at(task.endsAt, resolve))
    await Promise.race([ended, hungUp])
    const entries = await Promise.all(
      task.results.map(async (result) => ({ isFailed: result.failure !== null, entry: await resultEntry(result, origin) })),
    )
    return {
      status: 200,
      data: entries.flatMap(({ isFailed, entry }) => (isFailed ? [] : [entry])),
      errors: entries.flatMap(({ isFailed, entry }) => (isFailed ? [entry] : [])),
      ...(task.story === 'half' ? { silence: 'half' } : {}),
    }
  }

  function at(instant: number, callback: () => void): void {
    if (!Number.isFinite(instant)) return
    const timer = setTimeout(
      () => {
        timers.delete(timer)
        callback()
      },
      Math.max(0, instant - Date.now()),
    )
    timers.add(timer)
  }

  function forgetOldest(): void {
    for (const [key, task] of tasks) {
      if (tasks.size <= TASKS_KEPT) return
      tasks.delete(key)
      for (const { imageUUID } of task.results) results.delete(imageUUID)
    }
  }

  function rememberedImageOf(result: Result): Promise<Buffer> {
    if (!result.image) drawn.push(result)
    const oldest = drawn.length > PICTURES_KEPT ? drawn.shift() : undefined
    if (oldest) oldest.image = null
    return imageOf(result)
  }

  await app.listen({ host: '127.0.0.1', port })
  const address = app.server.address()
  origin = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : port}`
  return {
    url: origin,
    submits: () => submits,
    close: async () => {
      for (const timer of timers) clearTimeout(timer)
      webhooks.close()
      await app.close()
    },
  }
}
