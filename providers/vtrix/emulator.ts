import { randomInt } from 'node:crypto'
import { check, createEmulator, digitsOf, followedSize, isFields, referencePixels, replyTable, sentenceOf } from '#sandbox'
import type { Check, Fields, Kit, Pixels, Poll, Task, TaskFailure, WireReply } from '#sandbox'
import manifest from './manifest.json' with { type: 'json' }

interface Facts {
  readonly model: 'flux_2_pro' | 'flux_pro_11'
}

const side = (min: number, max?: number) => check.whole({ min, ...(max === undefined ? {} : { max }), step: 32 })
const base64 = check.form('base64 image data', check.isBase64)
const urlOrBase64 = check.form('a URL or base64 image data', (value) => check.isHttpUrl(value) || check.isBase64(value))
const slots = Object.fromEntries(
  Array.from({ length: 8 }, (_, index) => [index === 0 ? 'input_image' : `input_image_${index + 1}`, urlOrBase64]),
)

/**
 * What is accepted, written from the vendor's pages and not from the adapter's tables, so that a mistake in one shows in the other:
 * https://doc.vtrix.ai/docs/api/blackforestlabs/flux-2-pro and …/flux-pro-11, 2026-11-21. Refusing unknown fields is stricter than
 * anything documented.
 */
const PARAMS: Readonly<Record<Facts['model'], Check>> = {
  flux_2_pro: check.fields(
    {
      prompt: check.text(1),
      ...slots,
      seed: check.whole(),
      width: side(64),
      height: side(64),
      safety_tolerance: check.oneOf('1', '2', '3', '4', '5', '6'),
      output_format: check.oneOf('jpeg', 'png'),
    },
    { required: ['prompt'] },
  ),
  flux_pro_11: check.fields(
    {
      prompt: check.text(1),
      image_prompt: base64,
      width: side(256, 1440),
      height: side(256, 1440),
      prompt_upsampling: check.flag,
      seed: check.whole(),
      safety_tolerance: check.whole({ min: 0, max: 6 }),
      output_format: check.oneOf('jpeg', 'png'),
    },
    { required: ['prompt'] },
  ),
}

const BODY = check.fields(
  {
    model: check.oneOf('flux_2_pro', 'flux_pro_11'),
    input: check.list(check.fields({ params: () => [] }, { required: ['params'] }), 1, 1),
  },
  { required: ['model', 'input'] },
)
/** The upstream's limit; the vendor's page has none. It also bounds what this emulator has to draw. */
const MOST_PIXELS = 4_194_304
const DEFAULT_SIDE = 1024

/** Prices of this emulator, made up to exercise the wire: the vendor's own are unknown. The cost is the unit price less the discount. */
const MADE_UP = {
  flux_2_pro: { cost: '0.0285', discount: 0.0015, unit_price: '0.03' },
  flux_pro_11: { cost: '0.038', discount: 0.002, unit_price: '0.04' },
} as const

const message = (status: number, words: string): WireReply => ({ status, body: { message: words } })
/** Balance and permission share 403, as the vendor's pages have it. */
const REPLIES = replyTable(message, { 'no-credit': message(403, 'Insufficient balance') })

/** The parameters of a submit as the vendor reads them, or the sentence it is refused with. */
function read(body: unknown): { readonly model: Facts['model']; readonly params: Fields } | string {
  const outer = sentences(BODY, body)
  if (outer !== '') return outer
  const { model, input } = body as { readonly model: Facts['model']; readonly input: readonly [{ readonly params: unknown }] }
  const { params } = input[0]
  const inner = sentences(PARAMS[model], params)
  if (inner !== '' || !isFields(params)) return inner
  return pixelsOf(params) > MOST_PIXELS ? `width: more than ${MOST_PIXELS} pixels` : { model, params }
}

const sentences = (judge: Check, value: unknown): string =>
  judge(value)
    .map(({ path, fault }) => `${path.join('.') || 'body'}: ${sentenceOf(fault)}`)
    .join('; ')

const sideOf = (value: unknown): number => (typeof value === 'number' ? value : DEFAULT_SIDE)
const pixelsOf = (params: Fields): number => sideOf(params['width']) * sideOf(params['height'])

/** An edit without a size follows its first reference, as upstream; `image_prompt` guides a new image and decides no size. */
async function outputSize(params: Fields): Promise<Pixels> {
  const { width, height, input_image: first } = params
  const asked = { width: sideOf(width), height: sideOf(height) }
  if (width !== undefined || height !== undefined || typeof first !== 'string') return asked
  return followedSize(await referencePixels(first), { step: 32, maxPixels: MOST_PIXELS })
}

async function submit(kit: Kit<Facts>, body: unknown): Promise<WireReply> {
  const submitted = read(body)
  if (typeof submitted === 'string') return message(400, submitted)
  const { model, params } = submitted
  const prompt = String(params['prompt'])
  const refusal = kit.refusal(prompt)
  if (refusal) return REPLIES[refusal]
  const size = await outputSize(params)
  const id = newTaskId()
  const task = kit.accept({
    id,
    newImageId: newTaskId,
    prompt,
    ...size,
    format: params['output_format'] === 'png' ? 'png' : 'jpeg',
    seed: digitsOf(params['seed']),
    pricePerImage: MADE_UP[model].cost,
    facts: { model },
  })
  return kit.accepted([task], { status: 200, body: { ...head(task), status: 'in_progress' } })
}

const head = ({ id, facts, createdAt }: Task<Facts>) => ({ id, model: facts.model, created_at: Math.floor(createdAt / 1000) })

/** Codes of failed tasks are made up, as none are published. */
const FAILURES: Readonly<Record<TaskFailure, { readonly code: string; readonly message: string }>> = {
  moderated: { code: 'request_moderated', message: 'Request Moderated: the prompt was refused' },
  'moderated-output': { code: 'content_moderated', message: 'Content Moderated: the generated image was refused' },
  error: { code: 'generation_failed', message: 'The model could not finish this task' },
}

async function result(kit: Kit<Facts>, task: Task<Facts>, poll: Poll): Promise<WireReply> {
  const say = (body: object): WireReply => ({ status: 200, body: { ...head(task), ...body } })
  switch (poll.kind) {
    case 'vanished':
      return message(404, 'task not found')
    case 'refused':
      return message(poll.status, 'refused')
    case 'strange':
      return say({ status: 'warming_up', progress: 0 })
    case 'pending':
      return say({ status: 'in_progress', progress: Math.floor(poll.progress * 100) / 100 })
    case 'failed':
      return say({ status: 'failed', error: FAILURES[poll.failure] })
    case 'ready': {
      const content = await Promise.all(task.images.map(async (image) => ({ type: 'image', url: await kit.link(task, image) })))
      const usage = { ...MADE_UP[task.facts.model], cost: task.pricePerImage, quantity: 1 }
      return say({ status: 'completed', progress: 1, output: [{ content }], usage, metadata: {} })
    }
  }
}

/** Twenty characters like the vendor's own `d758n65e878c73cmdg20`. */
const newTaskId = (): string => Array.from({ length: 20 }, () => randomInt(32).toString(32)).join('')

/** The vendor's wire: submit, poll, and a delivery host in one. It has neither batches nor seeds in its replies. */
export const startEmulator = createEmulator<Facts>({
  provider: manifest.id,
  typicalMs: 3000,
  unplayed: ['partial', 'big-seed'],
  delivery: { path: '/outputs', extension: (format) => (format === 'jpeg' ? 'jpg' : format), dead: message(403, 'link expired') },
  key: ({ headers }) => headers['authorization']?.replace(/^Bearer /, ''),
  replies: REPLIES,
  routes: (kit) => [
    { method: 'POST', path: '/model/v1/generation', answer: ({ body }) => submit(kit, body) },
    {
      method: 'GET',
      path: '/model/v1/generation/task/:id',
      answer: ({ params }) => {
        const task = kit.find(params['id'] ?? '')
        return task ? result(kit, task, kit.poll(task)) : message(404, 'task not found')
      },
    },
  ],
})
