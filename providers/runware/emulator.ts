import { randomUUID } from 'node:crypto'
import { bareNumber } from '#contract'
import { bearer, check, createEmulator, imageState, isFields, json, LARGEST_SEED, perMegapixel } from '#sandbox'
import { dataUri, replyTable, SANDBOX_KEY, sentenceOf } from '#sandbox'
import type { Checks, EmulatedModel, FieldProblem, Fields, Kit, RefusalTable, Task, TaskImage, WireReply, WireRequest } from '#sandbox'
import manifest from './manifest.json' with { type: 'json' }

const { text, whole, number, flag, oneOf, form, list, fields } = check
const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i
const link = form('a URI', check.isHttpUrl)
const COMMON: Checks = {
  taskType: oneOf('imageInference'),
  taskUUID: form('a UUID v4', (value) => UUID_V4.test(value)),
  model: text(1, 200),
  outputType: oneOf('URL', 'base64Data', 'dataURI'),
  outputFormat: oneOf('JPG', 'PNG', 'WEBP'),
  outputQuality: whole({ min: 20, max: 99 }),
  webhookURL: link,
  deliveryMethod: oneOf('sync', 'async'),
  uploadEndpoint: link,
  safety: fields({ checkContent: flag, mode: oneOf('none', 'fast') }),
  ttl: whole({ min: 60 }),
  includeCost: flag,
  numberResults: whole({ min: 1, max: 20 }),
  // The page prints 9223372036854776000, which is 2^63 - 1 after a double has rounded it.
  seed: whole({ min: 0, max: LARGEST_SEED }),
  providerSettings: fields({ bfl: fields({ promptUpsampling: flag, safetyTolerance: whole({ min: 0, max: 6 }) }) }),
}
const REQUIRED = ['taskUUID', 'model', 'positivePrompt', 'width', 'height']
const schema = (own: Checks, common: Checks = COMMON) => fields({ ...common, ...own }, { required: REQUIRED })
/** Only these pairs of width and height, as `1024x1024`. */
const paired = (pairs: string, own: Checks, common: Checks = COMMON) =>
  fields(
    { ...common, width: whole(), height: whole(), ...own },
    {
      required: REQUIRED,
      together: ({ width, height }) => (pairs.split(' ').includes(`${String(width)}x${String(height)}`) ? null : `one of ${pairs}`),
    },
  )
const side = whole({ min: 256, max: 2048, step: 16 })
const side11 = whole({ min: 256, max: 1440 })
const flux2 = { positivePrompt: text(1, 32_000), width: side, height: side }
const sampling = { CFGScale: number({ min: 1.5, max: 10 }), steps: whole({ min: 1, max: 50 }) }
const inputs = (most: number) => fields({ referenceImages: list(text(1), most) })

const { providerSettings: _, ...hosted } = COMMON
const klein = schema(
  {
    positivePrompt: text(1, 10_000),
    ...check.each(['width', 'height'], whole({ min: 128, max: 2048, step: 16 })),
    CFGScale: number({ min: 1, max: 20 }),
    steps: whole({ min: 1, max: 50 }),
    inputs: inputs(4),
  },
  hosted,
)
const { seed: __, ...seedless } = hosted
const flux3 = paired(
  '768x768 1024x1024',
  { positivePrompt: text(1), inputs: inputs(10), numberResults: whole({ min: 1, max: 1 }) },
  seedless,
)
const kontext = paired('1568x672 1392x752 1248x832 1184x880 1024x1024 880x1184 832x1248 752x1392 672x1568', {
  positivePrompt: text(2, 3000),
  inputs: inputs(2),
})
const ultra = paired('3136x1344 2752x1536 2496x1664 2368x1792 2048x2048 1792x2368 1664x2496 1536x2752 1344x3136', {
  positivePrompt: text(2, 3000),
})

/**
 * bfl:5@1 as https://runware.ai/docs/models/bfl-flux-2-pro prints it (2026-11-21); it states no maximum of references: 8, which the model's
 * maker takes, is what works everywhere (digests of older pages say 9). What is particular to the others comes from third-party digests.
 */
const MODELS: Readonly<Record<string, EmulatedModel>> = {
  'bfl:5@1': { schema: schema({ ...flux2, inputs: inputs(8) }), price: perMegapixel('0.03', '0.015', '0.015') },
  'bfl:6@1': { schema: schema({ ...flux2, ...sampling, inputs: inputs(10) }), price: perMegapixel('0.06', '0.06', '0.06') },
  'bfl:7@1': { schema: schema({ ...flux2, inputs: inputs(8) }), price: perMegapixel('0.07', '0.03', '0.03') },
  // What these two cost is published nowhere as a rule: about what a table of 2026-09-30 says of 1024x1024 at 9B, and made up at 4B.
  'runware:400@2': { schema: klein, price: { flat: '0.00078' } },
  'runware:400@4': { schema: klein, price: { flat: '0.0006' } },
  'bfl:flux@3-image': { schema: flux3, price: { ofBody: ({ width }) => (width === 768 ? '0.041' : '0.048') } },
  'bfl:3@1': { schema: kontext, price: { flat: '0.04' } },
  'bfl:4@1': { schema: kontext, price: { flat: '0.08' } },
  'bfl:2@2': { schema: ultra, price: { flat: '0.06' } },
  'bfl:2@1': { schema: schema({ positivePrompt: text(2, 3000), width: side11, height: side11 }), price: { flat: '0.04' } },
}

interface Facts {
  readonly outputType: unknown
  readonly includesCost: boolean
  readonly checksContent: boolean
}

/** What one task of a request is answered with; `accepted` is the task that was just bought. */
interface Answer {
  readonly status: number
  readonly data: readonly Fields[]
  readonly errors: readonly Fields[]
  readonly accepted?: Task<Facts>
}

const found = (...data: readonly Fields[]): Answer => ({ status: 200, data, errors: [] })
const refused = (status: number, ...errors: readonly Fields[]): Answer => ({ status, data: [], errors })
/** An entry of `errors[]`. `parameter` is a list where a rule is about several fields. */
const error = (code: string, message: string, parameter?: string | readonly string[]): Fields => ({ code, message, parameter })

const NOT_FOUND = error('taskNotFound', 'No task with this UUID was found.', 'taskUUID')
const FAILURES = {
  moderated: error('providerContentPolicyViolation', 'Request Moderated: the prompt was refused.', 'positivePrompt'),
  'moderated-output': error('nsfwContentDetected', 'Content Moderated: the generated image was refused.'),
  error: error('inferenceError', 'The inference failed.'),
}
const REFUSED: RefusalTable<Answer> = {
  'rate-limited': refused(429, error('rateLimitExceeded', 'The queue is full.')),
  unauthorized: refused(401, error('invalidApiKey', 'Invalid API key.', 'apiKey')),
  'no-credit': refused(402, error('insufficientCredits', 'The account has no credit left.')),
  unavailable: refused(503, error('serviceUnavailable', 'The service is unavailable.')),
  crash: refused(500, error('internalServerError', 'Internal server error.')),
  moderated: refused(400, FAILURES.moderated),
  'unknown-model': refused(400, error('invalidModel', 'Invalid value for model: no such model.', 'model')),
  taken: refused(400, error('conflictTaskUUID', 'A task with this taskUUID exists.', 'taskUUID')),
}

/** `data` is left out beside errors where it would be empty. */
const asReply = ({ status, data, errors }: Answer): WireReply =>
  json(status, { ...(data.length > 0 || errors.length === 0 ? { data } : {}), ...(errors.length > 0 ? { errors } : {}) })
const REPLIES = replyTable((status, words) => asReply(refused(status, error('notFound', words))), {
  'wrong-key': asReply(REFUSED.unauthorized),
  'bad-json': asReply(refused(400, error('invalidJson', 'The body is not valid JSON.'))),
  crashed: asReply(REFUSED.crash),
})

function errorOf({ path: [name = '', ...rest], fault }: FieldProblem): Fields {
  const capitalized = name.charAt(0).toUpperCase() + name.slice(1)
  if (fault.kind === 'missing') return error(`missing${capitalized}`, `Missing required parameter: ${name}.`, name)
  if (fault.kind === 'unknown' && rest.length === 0) return error('unknownParameter', `Unknown parameter: ${name}.`, name)
  return error(`invalid${capitalized}`, `Invalid value for ${name}: ${[...rest, sentenceOf(fault)].join(' ')}.`, name)
}

function invalid(problems: readonly FieldProblem[], body: unknown): Answer {
  const [first] = problems
  if (first?.fault.kind === 'together') return refused(400, error('unsupportedModelResolution', first.fault.words, ['width', 'height']))
  const { width, height } = isFields(body) ? body : {}
  if ((width === undefined) === (height === undefined)) return refused(400, ...problems.map(errorOf))
  return refused(400, error('incompatibleParameters', 'width and height must be used together.', ['width', 'height']))
}

async function answerAll(kit: Kit<Facts, Answer>, request: WireRequest): Promise<WireReply> {
  const { body, closed } = request
  if (!Array.isArray(body) || body.length === 0 || !body.every(isFields))
    return asReply(refused(400, error('invalidPayload', 'The body must be an array of task objects.')))
  // The key may come as a leading task instead of a header.
  const signsIn = body[0]?.['taskType'] === 'authentication'
  if ((signsIn ? body[0]?.['apiKey'] : bearer(request)) !== SANDBOX_KEY) return REPLIES['wrong-key']
  const tasks = signsIn ? body.slice(1) : body
  const answers = await Promise.all(tasks.map((task) => perform(kit, task, closed)))
  const data = answers.flatMap((answer) => answer.data)
  const errors = answers.flatMap((answer, index) => answer.errors.map((each) => ({ ...echoOf(tasks[index]), ...each })))
  const status = data.length > 0 ? 200 : (answers.find((answer) => answer.status !== 200)?.status ?? 200)
  const accepted = answers.flatMap((answer) => answer.accepted ?? [])
  return kit.accepted(accepted, asReply({ status, data, errors }))
}

const echoOf = ({ taskType, taskUUID }: Fields = {}): Fields => ({ taskType, taskUUID })

async function perform(kit: Kit<Facts, Answer>, task: Fields, closed: Promise<void>): Promise<Answer> {
  const { taskType, taskUUID, model, deliveryMethod, operation } = task
  switch (taskType) {
    case 'imageInference':
      if (model === undefined) return refused(400, error('missingModel', 'Missing required parameter: model.', 'model'))
      return kit.submit(model, task, async (accepted) => {
        if (deliveryMethod === 'async') return { ...found(about(accepted)), accepted }
        return { ...(accepted.play?.story === 'vanished' ? found() : await kit.held(accepted, closed)), accepted }
      })
    case 'getResponse': {
      if (typeof taskUUID !== 'string' || !UUID_V4.test(taskUUID))
        return refused(400, error('invalidTaskUUID', 'It must be a UUID v4.', 'taskUUID'))
      const answer = await kit.poll(taskUUID.toLowerCase())
      return { ...answer, data: answer.data.map((each) => ({ status: 'success', ...each })) }
    }
    case 'accountManagement':
      if (operation !== 'getDetails') return refused(400, error('invalidOperation', 'Unknown operation.', 'operation'))
      return found({ taskType, taskUUID, organizationName: 'Sandbox', balance: bareNumber(kit.balance()) })
    default:
      return refused(400, error('invalidTaskType', 'Unknown taskType.', 'taskType'))
  }
}

const about = ({ id }: Task<Facts>) => ({ taskType: 'imageInference', taskUUID: id })

/** An entry for each image: done, failed, or in work. */
async function entriesOf(kit: Kit<Facts, Answer>, task: Task<Facts>): Promise<Answer> {
  const [data, errors]: readonly [Fields[], Fields[]] = [[], []]
  for (const image of task.images) {
    const state = imageState(task, image, Date.now())
    if (state.kind === 'ready') data.push(await entryOf(kit, task, image))
    else if (state.kind === 'failed') errors.push({ ...about(task), ...FAILURES[state.failure] })
    else data.push({ ...about(task), status: 'processing', progress: Math.floor(state.progress * 100) })
  }
  return { status: 200, data, errors }
}

/** A finished image as the wire has it: the same flat object in `data[]` and in a webhook's body. */
async function entryOf(kit: Kit<Facts, Answer>, task: Task<Facts>, image: TaskImage): Promise<Fields> {
  const { includesCost, checksContent } = task.facts
  return {
    ...about(task),
    imageUUID: image.id,
    ...(await outputOf(kit, task, image)),
    seed: bareNumber(image.seed),
    ...(checksContent ? { NSFWContent: false } : {}),
    ...(includesCost ? { cost: bareNumber(task.pricePerImage) } : {}),
  }
}

async function outputOf(kit: Kit<Facts, Answer>, task: Task<Facts>, image: TaskImage): Promise<Fields> {
  if (task.facts.outputType !== 'base64Data' && task.facts.outputType !== 'dataURI') return { imageURL: await kit.link(task, image) }
  const bytes = await kit.draw(task, image)
  const isBare = task.facts.outputType === 'base64Data'
  return isBare ? { imageBase64Data: bytes.toString('base64') } : { imageDataURI: dataUri(image.format, bytes) }
}

/**
 * Task arrays at POST /v1 as https://runware.ai/docs describes them (2026-11-21). Where nothing is documented (the exact acknowledgement,
 * the status beside an error, whether failures are billed, how often a webhook is sent) it does something plausible.
 */
export const startEmulator = createEmulator<Facts, Answer>({
  provider: manifest.id,
  typicalMs: 2500,
  startBalance: '1000',
  unplayed: [],
  models: MODELS,
  fields: {
    id: 'taskUUID',
    prompt: 'positivePrompt',
    count: 'numberResults',
    format: 'outputFormat',
    quality: 'outputQuality',
    references: ['inputs.referenceImages'],
    webhookUrl: 'webhookURL',
    linkLife: 'ttl',
  },
  newId: randomUUID,
  facts: ({ body: { outputType, includeCost, safety } }) => ({
    outputType,
    includesCost: includeCost === true,
    checksContent: isFields(safety) && safety['checkContent'] === true,
  }),
  delivery: { path: '/image', dead: { status: 404, body: 'Not Found' } },
  webhook: {
    perImage: true,
    tries: 6,
    body: async (task, image, kit) => (image.failure === null ? entryOf(kit, task, image) : { ...about(task), ...FAILURES[image.failure] }),
  },
  key: bearer,
  replies: REPLIES,
  refused: REFUSED,
  invalid,
  states: {
    unknown: () => refused(404, NOT_FOUND),
    vanished: () => refused(200, NOT_FOUND),
    refused: (status) => (status < 500 ? refused(status, error('forbidden', 'This task may not be read.')) : { ...REFUSED.crash, status }),
    strange: (_count, task) => found({ ...about(task), status: 'warmingUp' }),
    pending: (_progress, task, kit) => entriesOf(kit, task),
    failed: (_failure, task, kit) => entriesOf(kit, task),
    ready: (task, kit) => entriesOf(kit, task),
  },
  routes: (kit) => [{ method: 'POST', path: '/v1', isOpen: true, answer: (request) => answerAll(kit, request) }],
})
