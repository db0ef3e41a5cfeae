import { randomUUID } from 'node:crypto'
import {
  bareNumber,
  createEmulator,
  digitsOf,
  imageState,
  isFields,
  megapixelPrice,
  playOf,
  referencePixels,
  replyTable,
  SANDBOX_KEY,
} from '#sandbox'
import type { Fields, Kit, MegapixelPrice, Refusal, Task, TaskFailure, TaskImage, WireReply, WireRequest } from '#sandbox'
import { faultsOf, isUuidV4, referencesOf, type WireError } from './emulator-rules.ts'
import manifest from './manifest.json' with { type: 'json' }

interface Facts {
  readonly outputType: 'URL' | 'base64Data' | 'dataURI'
  readonly includesCost: boolean
  readonly checksContent: boolean
}

/** What one task of a request is answered with. */
interface Answer {
  readonly status: number
  readonly data: readonly Fields[]
  readonly errors: readonly Fields[]
  /** The task that was just accepted. */
  readonly accepted?: Task<Facts>
}

const errors = (status: number, error: WireError): WireReply => ({ status, body: { errors: [error] } })
const error = (code: string, message: string, parameter?: string): WireError => ({ code, message, ...(parameter ? { parameter } : {}) })

const BAD_KEY = { code: 'invalidApiKey', message: 'Invalid API key.', parameter: 'apiKey', taskType: 'authentication' }
const NOT_FOUND = error('taskNotFound', 'No task with this UUID was found.', 'taskUUID')
const CONFLICT = error('conflictTaskUUID', 'A task with this taskUUID exists.', 'taskUUID')
const CRASHED = error('internalServerError', 'Internal server error.')
const MODERATED = error('providerContentPolicyViolation', 'Request Moderated: the prompt was refused.', 'positivePrompt')
const FAILURES: Readonly<Record<TaskFailure, WireError>> = {
  moderated: MODERATED,
  'moderated-output': error('nsfwContentDetected', 'Content Moderated: the generated image was refused.'),
  error: error('inferenceError', 'The inference failed.'),
}
const REFUSALS: Readonly<Record<Refusal, readonly [status: number, error: WireError]>> = {
  'rate-limited': [429, error('rateLimitExceeded', 'The queue is full.')],
  unauthorized: [401, BAD_KEY],
  'no-credit': [402, error('insufficientCredits', 'The account has no credit left.')],
  unavailable: [503, error('serviceUnavailable', 'The service is unavailable.')],
  crash: [500, CRASHED],
}
const REPLIES = replyTable((status, words) => errors(status, error('notFound', words)), {
  'wrong-key': errors(401, BAD_KEY),
  'bad-json': errors(400, error('invalidJson', 'The body is not valid JSON.')),
  'too-large': errors(413, error('invalidPayload', 'The body is too large.')),
  crashed: errors(500, CRASHED),
})

/** The published prices, in dollars. */
const PRICES: Readonly<Record<string, MegapixelPrice>> = {
  'bfl:5@1': { first: '0.03', extra: '0.015', reference: '0.015' },
  'bfl:6@1': { first: '0.06', extra: '0.06', reference: '0.06' },
  'bfl:2@1': { first: '0.04', extra: '0', reference: '0' },
}
const FREE: MegapixelPrice = { first: '0', extra: '0', reference: '0' }

async function answerAll(kit: Kit<Facts>, { body, headers, closed }: WireRequest): Promise<WireReply> {
  if (!Array.isArray(body) || body.length === 0 || !body.every(isFields))
    return errors(400, error('invalidPayload', 'The body must be an array of task objects.'))
  const [first, ...rest] = body
  // The key may come as a leading task instead of a header.
  const signsIn = first?.['taskType'] === 'authentication'
  if ((signsIn ? first['apiKey'] : keyIn(headers)) !== SANDBOX_KEY) return REPLIES['wrong-key']
  const answers = await Promise.all((signsIn ? rest : body).map((task) => answer(kit, task, closed)))
  const data = answers.flatMap((each) => each.data)
  const failed = answers.flatMap((each) => each.errors)
  const status = data.length > 0 ? 200 : (answers.find((each) => each.status !== 200)?.status ?? 200)
  const reply = { ...(data.length > 0 || failed.length === 0 ? { data } : {}), ...(failed.length > 0 ? { errors: failed } : {}) }
  return kit.accepted(
    answers.flatMap(({ accepted }) => accepted ?? []),
    { status, body: reply, ...(status === 429 ? { headers: { 'retry-after': '1' } } : {}) },
  )
}

async function answer(kit: Kit<Facts>, fields: Fields, closed: Promise<void>): Promise<Answer> {
  const { taskType, taskUUID } = fields
  const refuse = (status: number, ...found: readonly WireError[]): Answer => ({
    status,
    data: [],
    errors: found.map((each) => ({ ...each, taskType, taskUUID })),
  })
  switch (taskType) {
    case 'imageInference': {
      const faults = faultsOf(fields)
      if (faults.length > 0) return refuse(400, ...faults)
      const prompt = String(fields['positivePrompt'])
      const references = await Promise.all(referencesOf(fields).map(referencePixels))
      if (kit.find(uuidOf(taskUUID))) return refuse(400, CONFLICT)
      if (playOf(prompt, manifest.id)?.story === 'moderated') return refuse(400, MODERATED)
      const refusal = kit.refusal(prompt)
      if (refusal) return refuse(...REFUSALS[refusal])
      return run(kit, accept(kit, fields, references), fields['deliveryMethod'] === 'async', closed)
    }
    case 'getResponse': {
      if (!isUuidV4(taskUUID)) return refuse(400, error('invalidTaskUUID', 'taskUUID must be a UUID v4.', 'taskUUID'))
      const task = kit.find(uuidOf(taskUUID))
      return task ? poll(kit, task) : refuse(404, NOT_FOUND)
    }
    case 'accountManagement':
      if (fields['operation'] !== 'getDetails') return refuse(400, error('invalidOperation', 'Unknown operation.', 'operation'))
      return { status: 200, data: [{ taskType, taskUUID, organizationName: 'Sandbox', balance: bareNumber(kit.balance()) }], errors: [] }
    default:
      return refuse(400, error('invalidTaskType', 'Unknown taskType.', 'taskType'))
  }
}

const uuidOf = (value: unknown): string => String(value).toLowerCase()

function accept(kit: Kit<Facts>, fields: Fields, references: Parameters<typeof megapixelPrice>[2]): Task<Facts> {
  const size = { width: Number(fields['width']), height: Number(fields['height']) }
  const { outputType, outputFormat, ttl, webhookURL: url, safety } = fields
  return kit.accept({
    id: uuidOf(fields['taskUUID']),
    newImageId: randomUUID,
    prompt: String(fields['positivePrompt']),
    count: Number(fields['numberResults'] ?? 1),
    ...size,
    format: outputFormat === 'PNG' ? 'png' : outputFormat === 'WEBP' ? 'webp' : 'jpeg',
    quality: Number(fields['outputQuality'] ?? 95),
    seed: digitsOf(fields['seed']),
    pricePerImage: megapixelPrice(PRICES[String(fields['model'])] ?? FREE, size, references),
    linkLifeMs: typeof ttl === 'number' ? ttl * 1000 : null,
    webhook: typeof url === 'string' ? { url, secret: null } : null,
    facts: {
      outputType: outputType === 'base64Data' || outputType === 'dataURI' ? outputType : 'URL',
      includesCost: fields['includeCost'] === true,
      checksContent: isFields(safety) && safety['checkContent'] === true,
    },
  })
}

/** Holds the answer until the task ends or the client is gone; an asynchronous one is acknowledged at once. */
async function run(kit: Kit<Facts>, task: Task<Facts>, isAsync: boolean, closed: Promise<void>): Promise<Answer> {
  const none: Answer = { status: 200, data: [], errors: [], accepted: task }
  const acknowledged = { taskType: 'imageInference', taskUUID: task.id }
  const story = task.play?.story
  if (story === 'lost-reply' || story === 'garbage') return none
  if (isAsync) return { ...none, data: [acknowledged] }
  if (story === 'vanished') return none
  if (story === 'unknown-status') return { ...none, data: [{ ...acknowledged, status: 'warmingUp' }] }
  await kit.ended(task, closed)
  return { ...none, ...(await entriesOf(kit, task, {})) }
}

async function poll(kit: Kit<Facts>, task: Task<Facts>): Promise<Answer> {
  const found = kit.poll(task)
  const ask = { taskType: 'getResponse', taskUUID: task.id }
  switch (found.kind) {
    case 'vanished':
      return { status: 200, data: [], errors: [{ ...NOT_FOUND, ...ask }] }
    case 'refused':
      return { status: found.status, data: [], errors: [{ ...(POLL_ERRORS[found.status] ?? CRASHED), ...ask }] }
    case 'strange':
      return { status: 200, data: [{ taskType: 'imageInference', taskUUID: task.id, status: 'warmingUp' }], errors: [] }
    default:
      return { status: 200, ...(await entriesOf(kit, task, { status: 'success' })) }
  }
}

const POLL_ERRORS: Readonly<Record<number, WireError>> = {
  401: BAD_KEY,
  403: error('permissionDenied', 'This key may not read this task.'),
  404: NOT_FOUND,
  451: error('forbidden', 'This task may not be read.'),
}

/** An entry for each image: done, failed, or in work. */
async function entriesOf(kit: Kit<Facts>, task: Task<Facts>, more: Fields): Promise<Pick<Answer, 'data' | 'errors'>> {
  const now = Date.now()
  const data: Fields[] = []
  const failed: Fields[] = []
  for (const image of task.images) {
    const state = imageState(task, image, now)
    const base = { taskType: 'imageInference', taskUUID: task.id }
    if (state.kind === 'pending') data.push({ ...base, status: 'processing', progress: Math.floor(state.progress * 100) })
    else if (state.kind === 'failed') failed.push({ ...FAILURES[state.failure], ...base })
    else data.push({ ...(await entryOf(kit, task, image)), ...more })
  }
  return { data, errors: failed }
}

/** A finished image as the wire has it: the same flat object in `data[]` and in a webhook's body. */
async function entryOf(kit: Kit<Facts>, task: Task<Facts>, image: TaskImage): Promise<Fields> {
  const { includesCost, checksContent } = task.facts
  return {
    taskType: 'imageInference',
    taskUUID: task.id,
    imageUUID: image.id,
    ...(await outputOf(kit, task, image)),
    seed: bareNumber(image.seed),
    ...(checksContent ? { NSFWContent: false } : {}),
    ...(includesCost ? { cost: bareNumber(task.pricePerImage) } : {}),
  }
}

async function outputOf(kit: Kit<Facts>, task: Task<Facts>, image: TaskImage): Promise<Fields> {
  switch (task.facts.outputType) {
    case 'base64Data':
      return { imageBase64Data: (await kit.draw(task, image)).toString('base64') }
    case 'dataURI':
      return { imageDataURI: `data:image/${image.format};base64,${(await kit.draw(task, image)).toString('base64')}` }
    case 'URL':
      return { imageURL: await kit.link(task, image) }
  }
}

const keyIn = (headers: WireRequest['headers']): string | undefined => headers['authorization']?.replace(/^Bearer /, '')

/**
 * Task arrays at POST /v1 as https://runware.ai/docs describes them (2026-11-21). Where nothing is documented (the exact acknowledgement,
 * the status beside an error, whether failures are billed, how often a webhook is sent) it does something plausible.
 */
export const startEmulator = createEmulator<Facts>({
  provider: manifest.id,
  typicalMs: 2500,
  startBalance: '1000',
  unplayed: [],
  delivery: {
    path: '/image',
    extension: (format) => (format === 'jpeg' ? 'jpg' : format),
    dead: { status: 404, body: 'Not Found' },
  },
  webhook: {
    perImage: true,
    tries: 6,
    body: async (task, image, kit) =>
      image.failure === null ? entryOf(kit, task, image) : { ...FAILURES[image.failure], taskType: 'imageInference', taskUUID: task.id },
  },
  key: ({ headers }) => keyIn(headers),
  replies: REPLIES,
  routes: (kit) => [{ method: 'POST', path: '/v1', isOpen: true, answer: (request) => answerAll(kit, request) }],
})
