import { randomBytes } from 'node:crypto'
import { bearer, check, createEmulator, isFields, json, perMegapixel, replyTable, sentencesOf, shaped } from '#sandbox'
import type {
  Check,
  Checks,
  EmulatedModel,
  EmulatedPrice,
  FieldProblem,
  Fields,
  Kit,
  Task,
  TaskFailure,
  WireReply,
  WireRequest,
} from '#sandbox'
import manifest from './manifest.json' with { type: 'json' }

const { fields, flag, form, list, number, oneOf, text, whole } = check
const link = form('a URL or a data URI', (value) => check.isHttpUrl(value) || /^data:image\/[a-z]+;base64,/.test(value))
const images = (most: number): Check => list(link, most)
const sides = (most: number): Checks => check.each(['width', 'height'], whole({ min: 256, max: most }))
const saved: Checks = { output_format: oneOf('webp', 'jpg', 'png'), output_quality: whole({ min: 0, max: 100 }) }
const safety = (least: number, most: number): Checks => ({ safety_tolerance: whole({ min: least, max: most }) })
const SHAPES = '1:1 16:9 3:2 2:3 4:5 5:4 9:16 3:4 4:3'.split(' ')
const resolution = oneOf('match_input_image', '0.5 MP', '1 MP', '2 MP', '4 MP')
const custom: Checks = { aspect_ratio: oneOf('match_input_image', 'custom', ...SHAPES) }
const sampling: Checks = { guidance: number({ min: 1.5, max: 10 }), steps: whole({ min: 1, max: 50 }) }

const inputOf = (body: Fields): Fields => (isFields(body['input']) ? body['input'] : {})

/** `step` is what the sides of a custom size are rounded to; `side` that of a square, `format` and `shape` what acts where nothing is said. */
interface Rule {
  readonly step?: number
  readonly side?: number
  readonly shape?: string
  readonly format?: string
  readonly hasSeed?: boolean
  readonly price: EmulatedPrice
}

/** The sides of a square. */
const RESOLUTIONS: Readonly<Record<string, number>> = { '768sq': 768, '1k': 1024, '1.5k': 1536, '2k': 2048, '4k': 4096 }

const FORMATS = new Map<string, string>()

/** A model by its schema; a size counts only with the shape `custom`, and is rounded. */
function model(name: string, own: Checks, rule: Rule): Record<string, EmulatedModel> {
  const { step = 16, side = 1024, shape = '1:1', format = 'webp', hasSeed = true, price } = rule
  FORMATS.set(name, format)
  const input = fields({ prompt: text(1), ...(hasSeed ? { seed: whole() } : {}), ...own }, { required: ['prompt'] })
  const webhook = form('an https URL', check.isHttpUrl)
  const events = list(oneOf('start', 'output', 'logs', 'completed'))
  const rounded = (value: unknown): number => Math.round((typeof value === 'number' ? value : side) / step) * step
  return {
    [name]: {
      schema: fields({ input, webhook, webhook_events_filter: events }, { required: ['input'] }),
      price,
      size: {
        ofBody(body, reference) {
          const { aspect_ratio: asked = shape, width, height, output_megapixels: megapixels = 1, resolution: tier } = inputOf(body)
          if (asked === 'custom') return { width: rounded(width), height: rounded(height) }
          const followed = asked === 'match_input_image' ? 'auto' : asked
          const square = (RESOLUTIONS[String(tier)] ?? side) * Math.sqrt(Number(megapixels))
          return shaped(square, '1:1').ofBody?.({ aspect_ratio: followed }, reference) ?? { width: square, height: square }
        },
      },
    },
  }
}

const BFL = 'black-forest-labs'
const large = { ...saved, ...custom, ...sides(2048), resolution, ...safety(1, 5) }
const kontextShapes = oneOf('match_input_image', '21:9', '2:1', '1:2', '9:21', ...SHAPES)
const kontext: Checks = {
  aspect_ratio: kontextShapes,
  input_image: link,
  output_format: oneOf('jpg', 'png'),
  prompt_upsampling: flag,
  ...safety(0, 6),
}
const klein: Checks = {
  ...saved,
  aspect_ratio: oneOf('match_input_image', '1:1', '16:9'),
  output_megapixels: oneOf('0.25', '0.5', '1', '2', '4'),
  go_fast: flag,
  disable_safety_checker: flag,
  images: images(5),
}
const kontextRule = (flat: string): Rule => ({ shape: 'match_input_image', format: 'png', price: { flat } })
const flux3: Checks = {
  ...saved,
  aspect_ratio: oneOf('auto', '21:9', '2:1', '7:5', '5:7', '1:2', '9:21', ...SHAPES),
  resolution: oneOf(...Object.keys(RESOLUTIONS)),
  grounding: flag,
  images: images(10),
  ...safety(0, 4),
}

/** From the pages that `manifest.json` names (2026-11-28 and 29). The price of FLUX 3 is made up, and no reply says one. */
const MODELS: Readonly<Record<string, EmulatedModel>> = {
  ...model(`${BFL}/flux-2-pro`, { ...large, input_images: images(8) }, { price: perMegapixel('0.03', '0.015', '0.015') }),
  ...model(
    `${BFL}/flux-2-flex`,
    { ...large, ...sampling, prompt_upsampling: flag, input_images: images(10) },
    { step: 32, price: perMegapixel('0.06', '0.06', '0.06') },
  ),
  ...model(`${BFL}/flux-2-max`, { ...large, input_images: images(8) }, { price: perMegapixel('0.07', '0.03', '0.03') }),
  ...model(
    `${BFL}/flux-2-dev`,
    { ...saved, ...custom, ...sides(1440), go_fast: flag, disable_safety_checker: flag, input_images: images(4) },
    { step: 32, price: perMegapixel('0.012', '0.012', '0.012') },
  ),
  ...model(`${BFL}/flux-2-klein-4b`, klein, { format: 'jpg', price: perMegapixel('0.001', '0.001', '0.001') }),
  ...model(
    `${BFL}/flux-2-klein-9b`,
    { ...klein, output_format: oneOf('jpg', 'png') },
    { format: 'jpg', price: perMegapixel('0.015', '0.015', '0.002') },
  ),
  ...model(`${BFL}/flux-3-image`, flux3, { shape: 'auto', hasSeed: false, price: { flat: '0.048' } }),
  ...model(`${BFL}/flux-kontext-pro`, kontext, kontextRule('0.04')),
  ...model(`${BFL}/flux-kontext-max`, kontext, kontextRule('0.08')),
  ...model(
    `${BFL}/flux-1.1-pro`,
    { ...saved, ...sides(1440), aspect_ratio: oneOf('custom', ...SHAPES), prompt_upsampling: flag, ...safety(1, 5) },
    { price: { flat: '0.04' } },
  ),
  ...model(
    `${BFL}/flux-1.1-pro-ultra`,
    {
      aspect_ratio: oneOf('21:9', '9:21', ...SHAPES),
      raw: flag,
      image_prompt: link,
      image_prompt_strength: number({ min: 0, max: 1 }),
      output_format: oneOf('jpg', 'png'),
      ...safety(1, 6),
    },
    { side: 2048, format: 'jpg', price: { flat: '0.06' } },
  ),
}

interface Facts {
  readonly model: string
  readonly input: Fields
}

const problem = (status: number, title: string, detail = title): WireReply => json(status, { title, detail, status })
const REPLIES = replyTable((status, words) => problem(status, words), {
  'wrong-key': problem(401, 'Unauthenticated', 'You did not pass a valid authentication token'),
  unauthorized: problem(401, 'Unauthenticated', 'You did not pass a valid authentication token'),
  'no-credit': problem(402, 'Insufficient credit', 'You have insufficient credit to run this model.'),
  'rate-limited': json(429, { detail: 'Request was throttled. Your rate limit resets in ~1s.', status: 429 }),
})
const invalid = (problems: readonly FieldProblem[]): WireReply => problem(422, 'Input validation failed', `- ${sentencesOf(problems)}\n`)

/** Of a poll too: canceled tasks, until the emulator ends. */
const CANCELED = new Set<string>()

const prediction = ({ id, facts, createdAt, webhook }: Task<Facts>, origin: string, status: string, more: object = {}): WireReply => {
  const url = `${origin}/v1/predictions/${id}`
  const own = { id, ...facts, version: 'hidden', logs: '', output: null, data_removed: false, error: null, status, source: 'api' }
  const called = webhook === null ? {} : { webhook: webhook.url, webhook_events_filter: ['completed'] }
  const urls = { get: url, cancel: `${url}/cancel`, web: `${origin}/p/${id}` }
  return json(200, { ...own, created_at: new Date(createdAt).toISOString(), ...called, urls, ...more })
}

/** As callers have recorded them; that of an error is made up. */
const FAILURES: Readonly<Record<TaskFailure, string>> = {
  moderated: 'The input or output was flagged as sensitive. Please try again with different inputs. (E005) (uIJ6l3ruRD)',
  'moderated-output': 'All generated images contained NSFW content. Try running it again with a different prompt.',
  error: 'Prediction interrupted; please retry (code: PA)',
}

/** A reply about a task as it is once the task was canceled. */
const orCanceled = (id: string, reply: WireReply): WireReply =>
  CANCELED.has(id) && isFields(reply.body) ? { ...reply, body: { ...reply.body, status: 'canceled', output: null } } : reply

async function sell(kit: Kit<Facts>, { params: { owner, name }, body }: WireRequest): Promise<WireReply> {
  const model = `${owner}/${name}`
  const input = isFields(body) && isFields(body['input']) ? { output_format: FORMATS.get(model), ...body['input'] } : undefined
  const asked = isFields(body) && input !== undefined ? { ...body, input } : body
  return kit.submit(model, asked, (task) => kit.accepted([task], { ...prediction(task, kit.origin, 'starting'), status: 201 }))
}

/** One that is over already stays as it is. */
async function cancel(kit: Kit<Facts>, id: string): Promise<WireReply> {
  const reply = await kit.poll(id)
  const status = isFields(reply.body) ? reply.body['status'] : undefined
  if (status === 'starting' || status === 'processing') CANCELED.add(id)
  return orCanceled(id, reply)
}

async function newest(kit: Kit<Facts>): Promise<WireReply> {
  const page = kit.tasks().slice(-100).toReversed()
  const results = await Promise.all(page.map(async (task) => orCanceled(task.id, await kit.state(task)).body))
  return json(200, { previous: null, next: null, results })
}

/** What a prediction repeats of its input: images by their bytes are left out, for they would be kept on disk. */
const repeated = (input: Fields): Fields =>
  Object.fromEntries(Object.entries(input).filter(([, value]) => !JSON.stringify(value).includes('data:')))

/** The wire of the vendor’s own SDK, replicate 1.4.0. Callbacks are not signed, as no emulator’s are. */
export const startEmulator = createEmulator<Facts>({
  provider: manifest.id,
  typicalMs: 4000,
  unplayed: ['partial', 'big-seed', 'huge-bill', 'zero-bill'],
  models: MODELS,
  fields: {
    prompt: 'input.prompt',
    seed: 'input.seed',
    format: 'input.output_format',
    quality: 'input.output_quality',
    references: ['input.input_images', 'input.input_image', 'input.images'],
    webhookUrl: 'webhook',
  },
  newId: () => randomBytes(13).toString('hex'),
  facts: ({ model, body }) => ({ model, input: repeated(inputOf(body)) }),
  delivery: { path: '/delivery', lifeMs: 3_600_000, dead: json(404, { detail: 'Not found' }) },
  webhook: { perImage: false, tries: 3, body: async (task, _image, kit) => orCanceled(task.id, await kit.state(task)).body as object },
  key: bearer,
  replies: REPLIES,
  refused: REPLIES,
  invalid,
  states: {
    unknown: () => REPLIES['not-found'],
    vanished: () => REPLIES['not-found'],
    refused: (status) => problem(status, 'refused'),
    strange: (count, task) => prediction(task, '', count === 1 ? 'booting' : 'queued'),
    pending: (progress, task, kit) => prediction(task, kit.origin, progress < 0.2 ? 'starting' : 'processing'),
    failed: (failure, task, kit) => prediction(task, kit.origin, 'failed', { error: FAILURES[failure] }),
    async ready(task, kit) {
      const links = await Promise.all(task.images.map((image) => kit.link(task, image)))
      return prediction(task, kit.origin, 'succeeded', { output: links.length === 1 ? links[0] : links, metrics: { predict_time: 1.5 } })
    },
  },
  routes: (kit) => [
    { method: 'POST', path: '/v1/models/:owner/:name/predictions', answer: (request) => sell(kit, request) },
    { method: 'GET', path: '/v1/predictions', answer: () => newest(kit) },
    {
      method: 'GET',
      path: '/v1/predictions/:id',
      answer: async ({ params: { id = '' } }) => orCanceled(id, await kit.poll(id)),
    },
    { method: 'POST', path: '/v1/predictions/:id/cancel', answer: ({ params: { id = '' } }) => cancel(kit, id) },
  ],
})
