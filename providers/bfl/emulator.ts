import { randomUUID } from 'node:crypto'
import { bareNumber, usdFromDecimal, type Usd } from '#contract'
import { azureDelivery, check, createEmulator, float, headerKey, json, megapixelsOf, perMegapixel, pollRoute, submitRoute } from '#sandbox'
import { fastApiDetail, fastApiInvalid, fastApiIssue, fastApiReplies, shaped, tieredModel } from '#sandbox'
import type { Check, Checks, EmulatedModel, Fields, Kit, Submitted, Task, TaskFailure, TaskImage, WireReply } from '#sandbox'
import manifest from './manifest.json' with { type: 'json' }

const { nullable, text, whole, number, flag, oneOf } = check
const SLOTS = ['input_image', ...[2, 3, 4, 5, 6, 7, 8].map((slot) => `input_image_${slot}`)]
const MAX_PIXELS = 2048 * 2048

/** Rules that BFL's own SDK checks before it sends (src/bfl/_models.py, 2026-11-21). */
function together({ width, height, transparent_bg: transparent, output_format: format }: Fields): string | null {
  const pixels = Number(width) * Number(height)
  if (pixels > MAX_PIXELS) return `width*height (${pixels}) exceeds the 4MP limit (${MAX_PIXELS})`
  return transparent === true && format !== 'png' && format !== 'webp' ? "transparent_bg requires output_format 'png' or 'webp'" : null
}

const webhookUrl = nullable(check.all(text(1, 2083), check.form('a valid URL', check.isHttpUrl)))
const format = nullable(oneOf('jpeg', 'png', 'webp'))
const common = { seed: nullable(whole()), output_format: format, webhook_url: webhookUrl, webhook_secret: nullable(text()) }
/** An endpoint's fields; those its schema does not name are ignored, as FastAPI does. */
const schema = (maxSafety: number, own: Checks, required: readonly string[] = []): Check =>
  check.fields({ ...common, safety_tolerance: whole({ min: 0, max: maxSafety }), ...own }, { required, isOpen: true, together })
const slots = (most: number) => check.each(SLOTS.slice(0, most), nullable(text()))
const klein = { prompt: text(), ...check.each(['width', 'height'], nullable(whole({ min: 64 }))), ...slots(4) }
const flux2 = { ...klein, transparent_bg: flag, ...slots(8) }
const pro = { ...flux2, disable_pup: flag }
const sampling = { guidance: nullable(number({ min: 1.5, max: 10 })), steps: nullable(whole({ min: 1, max: 50 })) }
const flex = { ...flux2, ...sampling, prompt_upsampling: nullable(flag), input_image_blob_path: nullable(text()) }
const remix = { prompt: nullable(text()), image_prompt: nullable(text()), prompt_upsampling: flag }
const flux11 = { ...remix, ...check.each(['width', 'height'], whole({ min: 256, max: 1440, step: 32 })) }
const shape = check.aspectRatio(21 / 9)
const ultra = { ...remix, aspect_ratio: shape, raw: flag, image_prompt_strength: number({ min: 0, max: 1 }) }
const kontext = { prompt: text(), aspect_ratio: nullable(shape), prompt_upsampling: flag, ...slots(4) }
const size2 = { step: 16, maxPixels: MAX_PIXELS, isFollowing: true }

/** By endpoint, from BFL's OpenAPI (2026-05-01, read 2026-11-28). */
const MODELS: Readonly<Record<string, EmulatedModel>> = {
  'flux-2-pro': { schema: schema(5, pro, ['prompt']), size: size2, price: perMegapixel('0.03', '0.015', '0.015') },
  'flux-2-max': { schema: schema(5, pro, ['prompt']), size: size2, price: perMegapixel('0.07', '0.03', '0.03') },
  'flux-2-flex': { schema: schema(5, flex, ['prompt']), size: size2, price: perMegapixel('0.05', '0.05', '0.05') },
  'flux-2-klein-4b': { schema: schema(5, klein, ['prompt']), size: size2, price: perMegapixel('0.014', '0.001', '0.001') },
  'flux-2-klein-9b': { schema: schema(5, klein, ['prompt']), size: size2, price: perMegapixel('0.015', '0.002', '0.002') },
  'flux-kontext-pro': { schema: schema(6, kontext, ['prompt']), size: shaped(1024, '1:1'), price: { flat: '0.04' } },
  'flux-kontext-max': { schema: schema(6, kontext, ['prompt']), size: shaped(1024, '1:1'), price: { flat: '0.08' } },
  'flux-pro-1.1-ultra': { schema: schema(6, ultra), size: shaped(2048, '16:9'), price: { flat: '0.06' } },
  // https://docs.comfy.org/development/comfy-router/models/black-forest-labs/flux-3-image/code, 2026-11-21; the price of 1.5k is made up.
  'flux-3-image': tieredModel({
    ratios: 'auto 21:9 2:1 16:9 3:2 7:5 4:3 5:4 1:1 4:5 3:4 5:7 2:3 9:16 1:2 9:21'.split(' '),
    tiers: { '1k': [1024, '0.048'], '768sq': [768, '0.041'], '1.5k': [1536, '0.075'], '2k': [2048, '0.10'], '4k': [4096, '0.607'] },
    own: { images: check.list(text(1), 10, 1), grounding: flag, safety_tolerance: whole({ min: 0, max: 4 }), version: oneOf('latest') },
  }),
  'flux-pro-1.1': { schema: schema(6, flux11), size: { usual: { width: 1024, height: 768 } }, price: { flat: '0.04' } },
}

const REPLIES = fastApiReplies({
  'wrong-key': fastApiDetail(401, 'Not authenticated'),
  unauthorized: fastApiDetail(403, 'Not authenticated'),
  'rate-limited': fastApiDetail(429, 'Too many active tasks'),
})

interface Facts {
  readonly promptUsed: string
  readonly megapixels: readonly [input: number | null, output: number | null] // Null at the older models: official types allow it.
}

function facts({ model, body, prompt, size, references }: Submitted): Facts {
  const isOld = !model.startsWith('flux-2') && !model.startsWith('flux-3')
  const isUpsampled = isOld || model === 'flux-2-flex' ? (body['prompt_upsampling'] ?? !isOld) : body['disable_pup'] !== true
  const promptUsed = isUpsampled ? `${prompt}, in soft natural light with fine detail` : prompt
  return { promptUsed, megapixels: isOld ? [null, null] : [megapixelsOf(references), megapixelsOf([size])] }
}

const asCredits = (dollars: Usd): unknown => float(usdFromDecimal(dollars, 2)) // Credits are cents.

/** `AsyncResponse`, or `AsyncWebhookResponse` where a webhook was asked for. */
function acceptance({ id, webhook, pricePerImage, facts }: Task<Facts>, origin: string): object {
  const where = webhook ? { status: 'Pending', webhook_url: webhook.url } : { polling_url: `${origin}/v1/get_result?id=${id}` }
  const [input, output] = facts.megapixels
  return { id, ...where, cost: asCredits(pricePerImage), input_mp: float(input), output_mp: float(output) }
}

const result = (id: string, status: string, more: object = {}) =>
  json(200, { id, status, result: null, progress: null, details: null, preview: null, ...more })

const FAILURES: Readonly<Record<TaskFailure, readonly [status: string, details: object]>> = {
  moderated: ['Request Moderated', { 'Moderation Reasons': ['Violence'] }],
  'moderated-output': ['Content Moderated', { 'Moderation Reasons': ['Sexual Content'] }],
  error: ['Error', { error: 'The task failed while it was processed' }],
}

function delivered({ createdAt, facts, pricePerImage }: Task<Facts>, image: TaskImage, sample: string): object {
  const [start, duration] = [createdAt / 1000, image.durationMs / 1000]
  const times = { start_time: float(start), end_time: float(start + duration), duration: float(duration) }
  return { result: { prompt: facts.promptUsed, seed: bareNumber(image.seed), sample, ...times }, cost: asCredits(pricePerImage) }
}

/** As the SDK asks it (src/bfl/_client.py, 2026-11-21): of FLUX.2 alone, by its sizes. */
const priced = (kit: Kit<Facts>, { model, input_images: references, ...sizes }: Fields): WireReply =>
  kit.estimate(String(model).startsWith('flux-2') && model, { prompt: '', ...sizes }, references, (amount) =>
    json(200, { cost: asCredits(amount), cost_usd: bareNumber(amount) }),
  )

/**
 * The wire of https://api.bfl.ai/openapi.json (2026-11-21). Where BFL documents nothing (words of errors, the balance at start, whether a
 * webhook is sent again), the emulator does something plausible. At most 24 tasks are unfinished: https://help.bfl.ai/articles/7158018353.
 */
export const startEmulator = createEmulator<Facts>({
  provider: manifest.id,
  typicalMs: 3000,
  startBalance: '1000',
  taskLifeMs: 15 * 60_000,
  maxUnfinished: 24,
  unplayed: ['partial', 'extra-image'],
  models: MODELS,
  fields: { references: [...SLOTS, 'images'], webhookUrl: 'webhook_url', webhookSecret: 'webhook_secret' },
  newId: randomUUID,
  facts,
  delivery: azureDelivery('/delivery', 10 * 60_000), // Live reply, 2025-07.
  webhook: {
    perImage: false,
    tries: 1,
    headers: ({ webhook }) => (webhook?.secret ? { 'x-webhook-secret': webhook.secret } : {}),
    body: async (task, _image, kit) => (await kit.state(task)).body as object,
  },
  key: headerKey('x-key'),
  replies: REPLIES,
  refused: REPLIES,
  invalid: fastApiInvalid,
  states: {
    unknown: (id) => ({ ...result(id, 'Task not found'), status: 404 }),
    vanished: ({ id }) => result(id, 'Task not found'),
    refused: (status) => fastApiDetail(status, 'refused'),
    strange: (count, { id }) => result(id, count === 1 ? 'Warming Up' : 'Upscaling'),
    pending: (progress, { id }) => result(id, 'Pending', { progress: float(Math.round(progress * 100) / 100) }),
    failed: (failure, { id }) => result(id, FAILURES[failure][0], { details: FAILURES[failure][1] }),
    async ready(task, kit) {
      const [image] = task.images
      return image ? result(task.id, 'Ready', delivered(task, image, await kit.link(task, image))) : REPLIES.crash
    },
  },
  routes: (kit) => [
    { method: 'POST', path: '/v1/pricing', answer: ({ body }) => priced(kit, body as Fields) },
    submitRoute(kit, '/v1/:model', (task) => json(200, acceptance(task, kit.origin))),
    { method: 'GET', path: '/v1/credits', answer: () => json(200, { credits: asCredits(kit.balance()) }) },
    // No security is documented for this route; a key is neither asked for nor read.
    pollRoute(kit, '/v1/get_result', { isOpen: true, withoutId: fastApiIssue(['query', 'id'], 'Field required', 'missing') }),
  ],
})
