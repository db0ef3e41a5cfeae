import { randomInt } from 'node:crypto'
import { bearer, check, createEmulator, json, pollRoute, replyTable, sentencesOf } from '#sandbox'
import type { Checks, EmulatedModel, FieldProblem, Fields, Kit, Task, TaskFailure, WireReply } from '#sandbox'
import manifest from './manifest.json' with { type: 'json' }

const SLOTS = ['input_image', ...[2, 3, 4, 5, 6, 7, 8].map((slot) => `input_image_${slot}`)]
const side = (min: number, max = Number.POSITIVE_INFINITY) => check.whole({ min, max, step: 32 })
const base64 = check.form('base64 image data', check.isBase64)
const urlOrBase64 = check.form('a URL or base64 image data', (value) => check.isHttpUrl(value) || check.isBase64(value))
/** The upstream's limit; the vendor's page has none. It also bounds what this emulator has to draw. */
const MOST_PIXELS = 4_194_304

const together = ({ width = 1024, height = 1024 }: Fields): string | null =>
  Number(width) * Number(height) > MOST_PIXELS ? `more than ${MOST_PIXELS} pixels` : null
const schema = (own: Checks) =>
  check.fields(
    { prompt: check.text(1), seed: check.whole(), output_format: check.oneOf('jpeg', 'png'), ...own },
    { required: ['prompt'], together },
  )
const flux2 = { width: side(64), height: side(64), safety_tolerance: check.oneOf('1', '2', '3', '4', '5', '6') }
const flux11 = { width: side(256, 1440), height: side(256, 1440), safety_tolerance: check.whole({ min: 0, max: 6 }) }

/**
 * What is accepted: https://doc.vtrix.ai/docs/api/blackforestlabs/flux-2-pro and …/flux-pro-11, 2026-11-21. Refusing unknown fields is
 * stricter than anything documented. An edit without a size follows its first reference, as upstream; `image_prompt` decides no size.
 * Prices are made up to exercise the wire: the vendor's own are unknown.
 */
const MODELS: Readonly<Record<string, EmulatedModel>> = {
  flux_2_pro: {
    schema: schema({ ...flux2, ...check.each(SLOTS, urlOrBase64) }),
    size: { step: 32, maxPixels: MOST_PIXELS, isFollowing: true },
    price: { flat: '0.0285' },
  },
  flux_pro_11: { schema: schema({ ...flux11, image_prompt: base64, prompt_upsampling: check.flag }), price: { flat: '0.038' } },
}
/** The cost is the unit price less the discount. */
const USAGE: Readonly<Record<string, object>> = {
  flux_2_pro: { discount: 0.0015, unit_price: '0.03' },
  flux_pro_11: { discount: 0.002, unit_price: '0.04' },
}
const BODY = check.fields(
  {
    model: check.oneOf(...Object.keys(MODELS)),
    input: check.list(check.fields({ params: () => [] }, { required: ['params'] }), 1, 1),
  },
  { required: ['model', 'input'] },
)

interface Facts {
  readonly model: string
}

const message = (status: number, words: string): WireReply => json(status, { message: words })
/** Balance and permission share 403, as the vendor's pages have it. */
const REPLIES = replyTable(message, { 'no-credit': message(403, 'Insufficient balance') })
const invalid = (problems: readonly FieldProblem[]) => message(400, sentencesOf(problems))

/** The body holds its parameters in `input`. */
async function submit(kit: Kit<Facts>, body: unknown): Promise<WireReply> {
  const problems = BODY(body)
  if (problems.length > 0) return invalid(problems)
  const { model, input } = body as { readonly model: string; readonly input: readonly [{ readonly params: unknown }] }
  return kit.submit(model, input[0].params, (task) => kit.accepted([task], say(task, { status: 'in_progress' })))
}

const say = ({ id, facts, createdAt }: Task<Facts>, body: object): WireReply =>
  json(200, { id, model: facts.model, created_at: Math.floor(createdAt / 1000), ...body })

/** Codes of failed tasks are made up, as none are published. */
const FAILURES: Readonly<Record<TaskFailure, { readonly code: string; readonly message: string }>> = {
  moderated: { code: 'request_moderated', message: 'Request Moderated: the prompt was refused' },
  'moderated-output': { code: 'content_moderated', message: 'Content Moderated: the generated image was refused' },
  error: { code: 'generation_failed', message: 'The model could not finish this task' },
}

/** The vendor's wire: submit, poll, and a delivery host in one. It has neither batches nor seeds in its replies. */
export const startEmulator = createEmulator<Facts>({
  provider: manifest.id,
  typicalMs: 3000,
  unplayed: ['partial', 'big-seed'],
  models: MODELS,
  fields: { references: SLOTS },
  // Twenty characters like the vendor's own `d758n65e878c73cmdg20`.
  newId: () => Array.from({ length: 20 }, () => randomInt(32).toString(32)).join(''),
  facts: ({ model }) => ({ model }),
  delivery: { path: '/outputs', dead: message(403, 'link expired') },
  key: bearer,
  replies: REPLIES,
  refused: REPLIES,
  invalid,
  states: {
    unknown: () => message(404, 'task not found'),
    vanished: () => message(404, 'task not found'),
    refused: (status) => message(status, 'refused'),
    strange: (_count, task) => say(task, { status: 'warming_up', progress: 0 }),
    pending: (progress, task) => say(task, { status: 'in_progress', progress: Math.floor(progress * 100) / 100 }),
    failed: (failure, task) => say(task, { status: 'failed', error: FAILURES[failure] }),
    async ready(task, kit) {
      const content = await Promise.all(task.images.map(async (image) => ({ type: 'image', url: await kit.link(task, image) })))
      const usage = { ...USAGE[task.facts.model], cost: task.pricePerImage, quantity: 1 }
      return say(task, { status: 'completed', progress: 1, output: [{ content }], usage, metadata: {} })
    },
  },
  routes: (kit) => [
    { method: 'POST', path: '/model/v1/generation', answer: ({ body }) => submit(kit, body) },
    pollRoute(kit, '/model/v1/generation/task/:id'),
  ],
})
