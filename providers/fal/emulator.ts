import { randomUUID } from 'node:crypto'
import { bareNumber } from '#contract'
import { check, createEmulator, fastApiDetail, fastApiInvalid, fastApiIssue, fastApiReplies, json, perMegapixel, shaped } from '#sandbox'
import { tieredModel, type Check, type Checks, type EmulatedModel, type Fields, type Kit, type Submitted } from '#sandbox'
import type { Task, TaskFailure, TaskImage, WireReply } from '#sandbox'
import manifest from './manifest.json' with { type: 'json' }

const { fields, flag, form, list, number, oneOf, text, whole } = check
const MAX_PIXELS = 2048 * 2048
const PRESETS = ['square_hd', 'square', 'portrait_4_3', 'portrait_16_9', 'landscape_4_3', 'landscape_16_9']
const image = form('a URL', (value) => check.isHttpUrl(value) || value.startsWith('data:image/'))

/** A preset, or an object of both sides. */
const imageSize =
  (side: Check, { max = MAX_PIXELS, min = 0 } = {}): Check =>
  (value) => {
    if (typeof value === 'string') return oneOf(...PRESETS, 'auto')(value)
    const together = ({ width, height }: Fields) => {
      const pixels = Number(width) * Number(height)
      return pixels < min || pixels > max ? `${pixels} pixels are not from ${min} to ${max}` : null
    }
    return fields({ width: side, height: side }, { together })(value)
  }

const schema = (own: Checks, isEdit: boolean): Check => {
  const all = { prompt: text(1), output_format: oneOf('jpeg', 'png'), sync_mode: flag, enable_safety_checker: flag, ...own }
  const needed = ['image_urls', 'image_url'].find((name) => name in own)
  return fields(all, { required: ['prompt', ...(isEdit && needed !== undefined ? [needed] : [])], isOpen: true })
}

type Rest = Pick<EmulatedModel, 'price' | 'size'>
const references = (most: number): Checks => ({ image_urls: list(image, most, 1) })
/** An endpoint for prompts alone, and one that also takes references. */
const pair = (id: string, edit: string, own: Checks, extra: Checks, rest: Rest): Readonly<Record<string, EmulatedModel>> => ({
  [id]: { schema: schema(own, false), ...rest },
  [edit]: { schema: schema({ ...own, ...extra }, true), ...rest },
})

const landscape = { usual: { width: 1024, height: 768 }, step: 16, maxPixels: MAX_PIXELS, isFollowing: true }
const safety = (most: number) => oneOf(...Array.from({ length: most }, (_, index) => String(index + 1)))
const flux2 = { image_size: imageSize(whole({ min: 64 })), seed: whole(), safety_tolerance: safety(5) }
const flex = { ...flux2, guidance_scale: number({ min: 1.5, max: 10 }), num_inference_steps: whole({ min: 1, max: 50 }) }
const open = { image_size: imageSize(whole({ min: 512, max: 2048 })), seed: whole(), num_images: whole({ min: 1, max: 4 }) }
const dev = {
  ...open,
  output_format: oneOf('jpeg', 'png', 'webp'),
  guidance_scale: number({ min: 0, max: 20 }),
  num_inference_steps: whole({ min: 4, max: 50 }),
  enable_prompt_expansion: flag,
}
const klein = { ...open, num_inference_steps: whole({ min: 4, max: 8 }) }
const flux11 = { seed: whole(), num_images: whole({ min: 1, max: 4 }), safety_tolerance: safety(6), enhance_prompt: flag }
const RATIOS = ['21:9', '16:9', '4:3', '3:2', '1:1', '2:3', '3:4', '9:16', '9:21']
const inShape = { ...flux11, aspect_ratio: oneOf(...RATIOS) }
const kontext = { ...inShape, guidance_scale: number({ min: 1, max: 20 }) }
const kontexts = (id: string, flat: string) => {
  const rest: Rest = { size: shaped(1024, '1:1'), price: { flat } }
  return {
    ...pair(`${id}/text-to-image`, id, kontext, { image_url: image }, rest),
    [`${id}/multi`]: { schema: schema({ ...kontext, ...references(4) }, true), ...rest },
  }
}
const flux3 = (own: Checks) =>
  tieredModel({
    ratios: 'auto 21:9 2:1 16:9 3:2 7:5 4:3 5:4 1:1 4:5 3:4 5:7 2:3 9:16 1:2'.split(' '),
    tiers: { '1k': [1024, '0.048'], '512sq': [512, '0.03'], '768sq': [768, '0.041'], '2k': [2048, '0.10'], '4k': [4096, '0.607'] },
    own: { safety_tolerance: whole({ min: 0, max: 4 }), output_format: oneOf('jpeg', 'png'), enable_prompt_expansion: flag, ...own },
  })
const side = whole({ min: 16, max: 3840, step: 16 })
const gpt = {
  image_size: imageSize(side, { min: 655_360, max: 8_294_400 }),
  output_format: oneOf('jpeg', 'png', 'webp'),
  quality: oneOf('auto', 'low', 'medium', 'high'),
}
const per = (amount: string) => perMegapixel(amount, amount, amount)

/** By endpoint: fields as @fal-ai/client 1.10.1 types them, and the pages that the manifest names. Prices that nobody publishes are made up. */
const MODELS: Readonly<Record<string, EmulatedModel>> = {
  ...pair('fal-ai/flux-2-pro', 'fal-ai/flux-2-pro/edit', flux2, references(8), {
    size: landscape,
    price: perMegapixel('0.03', '0.015', '0.015'),
  }),
  ...pair('fal-ai/flux-2-max', 'fal-ai/flux-2-max/edit', flux2, references(8), {
    size: landscape,
    price: perMegapixel('0.07', '0.03', '0.03'),
  }),
  ...pair('fal-ai/flux-2-flex', 'fal-ai/flux-2-flex/edit', flex, references(8), { size: landscape, price: per('0.05') }),
  ...pair('fal-ai/flux-2', 'fal-ai/flux-2/edit', dev, references(4), { size: landscape, price: per('0.012') }),
  'fal-ai/flux-2/klein/4b': { schema: schema(klein, false), size: landscape, price: per('0.005') },
  'fal-ai/flux-2/klein/9b': { schema: schema(klein, false), size: landscape, price: per('0.006') },
  'fal-ai/flux-pro/v1.1': {
    schema: schema({ ...flux11, image_size: imageSize(whole({ min: 256, max: 1440, step: 32 })) }, false),
    size: landscape,
    price: { flat: '0.04' },
  },
  'fal-ai/flux-pro/v1.1-ultra': {
    schema: schema({ ...inShape, image_url: image, image_prompt_strength: number({ min: 0, max: 1 }), raw: flag }, false),
    size: shaped(2048, '16:9'),
    price: { flat: '0.06' },
  },
  ...kontexts('fal-ai/flux-pro/kontext', '0.04'),
  ...kontexts('fal-ai/flux-pro/kontext/max', '0.08'),
  'blackforestlabs/flux-3/text-to-image': flux3({}),
  'blackforestlabs/flux-3/edit-image': flux3(references(10)),
  ...pair(
    'openai/gpt-image-2',
    'openai/gpt-image-2/edit',
    gpt,
    { ...references(16), mask_url: image },
    {
      size: landscape,
      price: { flat: '0.06' },
    },
  ),
}

/** What is published of prices: an amount and a unit for an endpoint. */
function priceListed(endpoint: string): readonly object[] {
  const price = MODELS[endpoint]?.price
  if (price === undefined) return []
  const [amount, unit] = 'flat' in price ? [price.flat, 'images'] : 'first' in price ? [price.first, 'megapixels'] : ['0.048', 'images']
  return [{ endpoint_id: endpoint, unit_price: bareNumber(amount), unit, currency: 'USD' }]
}

interface Facts {
  readonly endpoint: string
  /** What `x-fal-billable-units` says: images, or megapixels with their fraction. */
  readonly units: string
}
interface Answer extends WireReply {
  /** What the address of the result answers, where that is something else. */
  readonly result?: WireReply
}

const facts = ({ model, size }: Submitted): Facts => {
  const isByImage = !model.startsWith('fal-ai/flux-2')
  return { endpoint: model, units: isByImage ? '1' : ((size.width * size.height) / 1e6).toFixed(3) }
}

/** Every address has owner and alias of the endpoint and nothing after them. */
function addresses({ id, facts: { endpoint } }: Task<Facts>, origin: string) {
  const [owner, alias] = endpoint.split('/')
  const response = `${origin}/${owner}/${alias}/requests/${id}`
  return { request_id: id, response_url: response, status_url: `${response}/status`, cancel_url: `${response}/cancel` }
}

const violation = (loc: readonly string[]) => fastApiIssue(loc, 'The content was flagged by a content checker.', 'content_policy_violation')
const FAILURES: Readonly<Record<TaskFailure, WireReply>> = {
  moderated: violation(['body', 'prompt']),
  'moderated-output': violation(['body']),
  error: json(503, { detail: 'The runner disconnected', error_type: 'runner_disconnected' }),
}
/** Made up: no page says what a task that was canceled answers. */
const GONE = json(404, { detail: 'Request not found' })
const CANCELED = json(400, { detail: 'The request was cancelled', error_type: 'request_cancelled' })
const REPLIES = fastApiReplies({ 'no-credit': fastApiDetail(403, 'User is locked. Reason: Exhausted balance.') })

function countOf({ play, facts: { units } }: Task<Facts>): string {
  if (play?.story === 'zero-bill') return '0'
  return play?.story === 'huge-bill' ? String(Number(units) * 1_000) : units
}

async function delivered(task: Task<Facts>, kit: Kit<Facts, Answer>): Promise<WireReply> {
  const { endpoint } = task.facts
  const item = async (made: TaskImage) => ({
    url: await kit.link(task, made),
    content_type: `image/${made.format}`,
    width: made.width,
    height: made.height,
  })
  const images = await Promise.all(task.images.map(item))
  const seed = endpoint.startsWith('fal-ai/') && task.images[0] ? { seed: bareNumber(task.images[0].seed) } : {}
  const more = endpoint.startsWith('fal-ai/flux-pro')
    ? { has_nsfw_concepts: images.map(() => false), prompt: task.prompt, timings: {} }
    : {}
  const usage = endpoint.startsWith('openai/') ? { usage: USAGE } : {}
  return {
    ...json(200, { images, ...seed, ...more, ...usage }),
    headers: { 'x-fal-request-id': task.id, 'x-fal-billable-units': countOf(task) },
  }
}

const USAGE = {
  input_tokens: 20,
  input_tokens_details: { text_tokens: 20, image_tokens: 0 },
  output_tokens: 1_800,
  output_tokens_details: { text_tokens: 0, image_tokens: 1_800 },
  total_tokens: 1_820,
}

const completed = (task: Task<Facts>, kit: Kit<Facts, Answer>, result: WireReply): Answer => ({
  ...json(200, { status: 'COMPLETED', ...addresses(task, kit.origin), logs: [], metrics: { inference_time: 1 } }),
  result,
})

/** fal’s queue. It sends no callbacks: nobody but fal can sign them with the keys that fal publishes. */
export const startEmulator = createEmulator<Facts, Answer>({
  provider: manifest.id,
  typicalMs: 3000,
  unplayed: ['partial'],
  models: MODELS,
  fields: { width: 'image_size.width', height: 'image_size.height', references: ['image_urls', 'image_url'] },
  newId: randomUUID,
  facts,
  delivery: { path: '/files', dead: fastApiDetail(404, 'Not Found') },
  key: ({ headers }) => headers['authorization']?.replace(/^Key /, ''),
  replies: REPLIES,
  refused: REPLIES,
  invalid: fastApiInvalid,
  states: {
    unknown: () => fastApiDetail(404, 'Request not found'),
    vanished: () => fastApiDetail(404, 'Request not found'),
    refused: (status) => fastApiDetail(status, 'refused'),
    strange: (_count, { id }) => json(200, { status: 'WARMING_UP', request_id: id }),
    pending: (progress, task, kit) => ({
      ...json(200, { status: progress < 0.2 ? 'IN_QUEUE' : 'IN_PROGRESS', ...addresses(task, kit.origin) }),
      result: fastApiDetail(400, 'Request is still in progress'),
    }),
    failed: (failure, task, kit) => completed(task, kit, FAILURES[failure]),
    ready: async (task, kit) => completed(task, kit, await delivered(task, kit)),
  },
  routes(kit) {
    /** What a task that was canceled, or removed from the queue, is answered with from then on. */
    const stopped = new Map<string, { readonly status: WireReply; readonly result: WireReply }>()
    const accept = (endpoint: string) => (body: unknown) =>
      kit.submit(endpoint, body, (task) =>
        kit.accepted([task], json(200, { status: 'IN_QUEUE', ...addresses(task, kit.origin), queue_position: 0 })),
      )
    return [
      {
        method: 'GET' as const,
        path: '/v1/models/pricing',
        answer: ({ query: { endpoint_id: endpoint = '' } }) =>
          json(200, { prices: priceListed(endpoint), next_cursor: null, has_more: false }),
      },
      ...Object.keys(MODELS).map((endpoint) => ({
        method: 'POST' as const,
        path: `/${endpoint}`,
        answer: ({ body }: { readonly body: unknown }) => accept(endpoint)(body),
      })),
      {
        method: 'GET',
        path: '/:owner/:alias/requests/:id/status',
        answer: ({ params: { id = '' } }) => stopped.get(id)?.status ?? kit.poll(id),
      },
      {
        method: 'GET',
        path: '/:owner/:alias/requests/:id',
        async answer({ params: { id = '' } }) {
          const answer = await kit.poll(id)
          return stopped.get(id)?.result ?? answer.result ?? answer
        },
      },
      {
        method: 'PUT',
        path: '/:owner/:alias/requests/:id/cancel',
        async answer({ params: { id = '' } }) {
          const { status, body } = await kit.poll(id)
          if (status === 404 || stopped.get(id)?.status === GONE) return json(404, { status: 'NOT_FOUND' })
          const { status: word } = body as { status?: string }
          if (word === 'COMPLETED') return json(400, { status: 'ALREADY_COMPLETED' })
          const isQueued = word === 'IN_QUEUE'
          const ended = { status: json(200, { status: 'COMPLETED', request_id: id }), result: CANCELED }
          stopped.set(id, isQueued ? { status: GONE, result: GONE } : ended)
          return isQueued ? json(200, { status: 'OK' }) : json(202, { status: 'CANCELLATION_REQUESTED' })
        },
      },
    ]
  },
})
