import { randomUUID } from 'node:crypto'
import { atOnce, bearer, check, createEmulator, isFields, json, replyTable, sentencesOf, submitHeld, submitStreamed } from '#sandbox'
import type {
  Check,
  Checks,
  EmulatedModel,
  FieldProblem,
  Fields,
  Kit,
  Pixels,
  ServerSentEvent,
  Task,
  WireReply,
  WireRequest,
} from '#sandbox'
import manifest from './manifest.json' with { type: 'json' }

const FREE = /^(\d{1,5})x(\d{1,5})$/
const [LEAST_PIXELS, MOST_PIXELS, LONGEST_SIDE] = [655_360, 8_294_400, 3_840]

const sizeOf = (text: unknown): Pixels => {
  const [, width = '1024', height = '1024'] = FREE.exec(String(text)) ?? []
  return { width: Number(width), height: Number(height) }
}
const freeSize: Check = check.form('auto, or sides that 16 divides, 1:3 to 3:1, of 655360 to 8294400 pixels', (value) => {
  const { width, height } = sizeOf(value)
  const [least, most, pixels] = [Math.min(width, height), Math.max(width, height), width * height]
  const isOnGrid = width % 16 === 0 && height % 16 === 0 && most <= LONGEST_SIDE && most <= 3 * least
  return value === 'auto' || (FREE.test(value) && isOnGrid && pixels >= LEAST_PIXELS && pixels <= MOST_PIXELS)
})
const standardSize = check.oneOf('auto', '1024x1024', '1536x1024', '1024x1536')
const file = check.form('a PNG, WebP or JPEG file', (value) => /^data:image\/(png|webp|jpe?g);base64,.+/s.test(value))
const png = check.form('a PNG file', (value) => value.startsWith('data:image/png;base64,'))

const together = ({ output_format: format = 'png', background, output_compression: compression = 100 }: Fields): string | null => {
  if (background === 'transparent' && format === 'jpeg') return 'Transparent background is not supported for JPEG output.'
  return format === 'png' && compression !== 100 ? 'Compression less than 100 is not supported for PNG output format.' : null
}

/**
 * What is accepted: openai 7.57.0 of 2026-11-13, `resources/images.d.ts`. How many tokens an image has is not published for the newer models, and
 * the counts here are made up; they serve as the price, since replies say no amount.
 */
function models(id: string, size: Check, fidelities: readonly string[]): Readonly<Record<string, EmulatedModel>> {
  const common: Checks = {
    model: check.oneOf(id),
    prompt: check.text(1, 32_000),
    n: check.whole({ min: 1, max: 10 }),
    size,
    quality: check.oneOf('auto', 'low', 'medium', 'high'),
    background: check.oneOf('auto', 'opaque', 'transparent'),
    output_format: check.oneOf('png', 'jpeg', 'webp'),
    output_compression: check.whole({ min: 0, max: 100 }),
    complexity: check.oneOf('low', 'medium', 'high'),
    stream: check.flag,
    partial_images: check.whole({ min: 0, max: 3 }),
    ...check.each(['safety_identifier', 'user'], check.text()),
  }
  const edit: Checks = { ...common, 'image[]': check.list(file, 16, 1), mask: png, input_fidelity: check.oneOf(...fidelities) }
  const generation: Checks = { ...common, moderation: check.oneOf('auto', 'low') }
  const rule = { size: { ofBody: (body: Fields) => sizeOf(body['size']) }, price: { ofBody: priceOf } }
  return {
    [id]: { ...rule, schema: check.fields(generation, { required: ['model', 'prompt'], together }) },
    [editOf(id)]: { ...rule, schema: check.fields(edit, { required: ['model', 'prompt', 'image[]'], together }) },
  }
}

const editOf = (model: unknown): string => `${String(model)}, edits`
const EFFORTS: Readonly<Record<string, number>> = { low: 0.25, high: 4 }
function priceOf({ size, quality }: Fields): string {
  const { width, height } = sizeOf(size)
  return String(Math.round(((width * height) / 1_024) * (EFFORTS[String(quality)] ?? 1)))
}

/** `echo` is what replies repeat of the image. */
interface Facts {
  readonly echo: Fields
  readonly text: number
  readonly image: number
}

const problem = (status: number, message: string, code: string | null, more: object = {}): WireReply => ({
  ...json(status, { error: { message, type: 'invalid_request_error', param: null, code, ...more } }),
  headers: { 'x-request-id': `req_${randomUUID().replaceAll('-', '')}` },
})
const moderated = (stage: 'input' | 'output'): WireReply =>
  problem(400, 'Your request was rejected by the safety system.', 'moderation_blocked', {
    type: 'image_generation_user_error',
    moderation_details: { moderation_stage: stage, categories: ['violence'] },
  })
const [BAD_KEY, SERVER] = [problem(401, 'Incorrect API key provided.', 'invalid_api_key'), { type: 'server_error' }]
const REPLIES = replyTable((status, words) => problem(status, words, null), {
  'wrong-key': BAD_KEY,
  unauthorized: BAD_KEY,
  'no-credit': problem(429, 'You exceeded your current quota.', 'insufficient_quota', { type: 'insufficient_quota' }),
  'rate-limited': problem(429, 'Rate limit reached for images per minute.', 'rate_limit_exceeded', { type: 'requests' }),
  'unknown-model': problem(404, 'The model does not exist or you do not have access to it.', 'model_not_found', { param: 'model' }),
  unavailable: problem(503, 'The engine is currently overloaded, please try again later.', null, SERVER),
  crash: problem(500, 'The server had an error while processing your request.', null, SERVER),
  moderated: moderated('input'),
})
const CODES: Readonly<Record<string, string>> = { missing: 'missing_required_parameter', unknown: 'unknown_parameter' }

function invalid(problems: readonly FieldProblem[]): WireReply {
  const { path = [], fault } = problems[0] ?? {}
  return problem(400, sentencesOf(problems), CODES[fault?.kind ?? ''] ?? 'invalid_value', { param: path.join('.') })
}

/** A form says numbers and switches as texts, and one image under the bare name. */
function editFields({ image, ...fields }: Fields): Fields {
  const numbers = ['n', 'output_compression', 'partial_images'].filter((name) => /^-?\d+$/.test(String(fields[name])))
  const images = image === undefined ? {} : { 'image[]': [image].flat() }
  const stream = fields['stream'] === 'true' ? { stream: true } : {}
  return { ...fields, ...images, ...stream, ...Object.fromEntries(numbers.map((name) => [name, Number(fields[name])])) }
}

function sell(kit: Kit<Facts>, { body, closed }: WireRequest, isEdit: boolean): Promise<WireReply> {
  const asked = isFields(body) ? (isEdit ? editFields(body) : body) : {}
  const model = isEdit ? editOf(asked['model']) : asked['model']
  const order = { output_format: 'png', ...asked }
  if (asked['stream'] !== true) return submitHeld(kit, model, order, closed)
  return submitStreamed(kit, model, order, closed, (task) => streamed(kit, task, isEdit, Number(asked['partial_images'] ?? 0)))
}

/** openai 7.57.0 of 2026-11-13, `ImageGenStreamEvent` and `ImageEditStreamEvent`. */
function streamed(kit: Kit<Facts>, { id, facts: { echo } }: Task<Facts>, isEdit: boolean, partials: number) {
  const named = (name: string, fields: Fields): ServerSentEvent => {
    const event = `${isEdit ? 'image_edit' : 'image_generation'}.${name}`
    return { event, data: { type: event, created_at: Math.floor(Date.now() / 1000), ...fields } }
  }
  return {
    partials,
    headers: { 'x-request-id': id },
    partial: async (task: Task<Facts>, index: number) => {
      const [image] = task.images
      const b64_json = image ? await kit.inline(task, image) : ''
      return named('partial_image', { ...echo, b64_json, partial_image_index: index })
    },
    last(_: Task<Facts>, { status, body }: WireReply): readonly ServerSentEvent[] {
      const { data = [], usage } = body as { readonly data?: readonly Fields[]; readonly usage?: object }
      if (status !== 200) return [{ event: 'error', data: { type: 'error', ...(body as object) } }]
      return data.map((image, index) => named('completed', { ...echo, ...image, ...(index === data.length - 1 ? { usage } : {}) }))
    },
  }
}

async function delivered(task: Task<Facts>, kit: Kit<Facts>): Promise<WireReply> {
  const { echo, text, image } = task.facts
  const made = task.images.filter(({ failure }) => failure === null)
  const data = await Promise.all(made.map(async (each) => ({ b64_json: await kit.inline(task, each) })))
  const [input, output] = [text + image, Number(task.pricePerImage) * made.length]
  const details = { text_tokens: text, image_tokens: image }
  const usage = { input_tokens: input, input_tokens_details: details, output_tokens: output, total_tokens: input + output }
  return { ...json(200, { created: Math.floor(task.createdAt / 1000), data, ...echo, usage }), headers: { 'x-request-id': task.id } }
}
/** `auto` is resolved in replies. */
const chosen = (value: unknown, usual: string): string => (typeof value === 'string' && value !== 'auto' ? value : usual)

/** The vendor’s wire: one call, held until its images are drawn, which come in base64. It has neither polls nor links. */
export const startEmulator = createEmulator<Facts>({
  provider: manifest.id,
  typicalMs: 4000,
  models: {
    ...models('gpt-image-2', freeSize, []),
    ...models('gpt-image-2.6-sunburst', freeSize, []),
    ...models('gpt-image-2.6-flare', freeSize, []),
    ...models('gpt-image-1.5', standardSize, ['high', 'low']),
    ...models('gpt-image-1-mini', standardSize, ['low']),
  },
  fields: { count: 'n', references: ['image[]'] },
  newId: () => `req_${randomUUID().replaceAll('-', '')}`,
  facts: ({ body: { quality, background, output_format }, prompt, size: { width, height }, references }) => ({
    echo: { size: `${width}x${height}`, quality: chosen(quality, 'medium'), background: chosen(background, 'opaque'), output_format },
    text: Math.ceil(prompt.length / 4),
    image: 1_000 * references.length,
  }),
  ...atOnce<Facts>({
    nothing: REPLIES['not-found'],
    failed: (failure) => (failure === 'error' ? REPLIES.crash : moderated(failure === 'moderated' ? 'input' : 'output')),
    ready: delivered,
  }),
  key: bearer,
  replies: REPLIES,
  refused: REPLIES,
  invalid,
  routes: (kit) => [
    { method: 'POST', path: '/v1/images/generations', answer: (request) => sell(kit, request, false) },
    { method: 'POST', path: '/v1/images/edits', answer: (request) => sell(kit, request, true) },
  ],
})
