import { createHash, randomUUID } from 'node:crypto'
import { usdFromDecimal, type Usd } from '#contract'
import {
  bareNumber,
  createEmulator,
  digitsOf,
  float,
  floorTo,
  followedSize,
  isFields,
  MEGAPIXEL,
  megapixelPrice,
  referencePixels,
  replyTable,
  taskState,
} from '#sandbox'
import type { Fields, ImageFormat, Kit, Pixels, Poll, Task, TaskFailure, TaskImage, WireReply, WireRequest } from '#sandbox'
import { ENDPOINTS, issuesOf, MAX_PIXELS, type Endpoint } from './emulator-endpoints.ts'
import manifest from './manifest.json' with { type: 'json' }

interface Facts {
  readonly promptUsed: string
  /** Null where the endpoint returns none: the older models (official types mark both nullable). */
  readonly inputMegapixels: number | null
  readonly outputMegapixels: number | null
}

/** Unfinished tasks an account may have, https://help.bfl.ai/articles/7158018353 (2026-11-21). */
const MAX_UNFINISHED = 24
/** Links live 10 minutes from completion (live reply, 2025-07). */
const LINK_LIFE_MS = 10 * 60_000

/** A random seed, in BFL's words. */
const ANY_SEED = -1

const json = (status: number, body: object): WireReply => ({ status, body })
const detail = (status: number, said: unknown): WireReply => json(status, { detail: said })
const issue = (loc: readonly (string | number)[], msg: string, type: string) => detail(422, [{ loc, msg, type }])
const NOT_FOUND = detail(404, 'Not Found')
const REPLIES = replyTable(detail, {
  'bad-json': issue(['body', 0], 'JSON decode error', 'json_invalid'),
  'wrong-key': detail(401, 'Not authenticated'),
  unauthorized: detail(403, 'Not authenticated'),
  crash: { status: 500, body: 'Internal Server Error' },
  'rate-limited': detail(429, 'Too many active tasks'),
})

const string = (value: unknown): string | null => (typeof value === 'string' ? value : null)
const side = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)
const formatOf = (value: unknown): ImageFormat => (value === 'png' || value === 'webp' ? value : 'jpeg')

/** The delivered size: as ordered, on the grid of 16; else the first reference's, at most 4 MP; else the endpoint's own. */
function outputSize({ family }: Endpoint, body: Fields, firstReference: Pixels = { width: 1024, height: 1024 }): Pixels {
  const [width, height] = [side(body['width']), side(body['height'])]
  if (family === 'flux-1.1') return { width: width ?? 1024, height: height ?? 768 }
  const followed = followedSize(firstReference, { step: 16, maxPixels: MAX_PIXELS })
  return {
    width: width === undefined ? followed.width : floorTo(16, width),
    height: height === undefined ? followed.height : floorTo(16, height),
  }
}

/** Two decimals, in units of 1024 x 1024 (live replies, 2025-11-27). */
const megapixels = (images: readonly Pixels[]): number =>
  Math.round((images.reduce((sum, { width, height }) => sum + width * height, 0) / MEGAPIXEL) * 100) / 100

function isUpsampled(endpoint: Endpoint, body: Fields): boolean {
  if (endpoint.family === 'flux-2' && !endpoint.isFlex) return body['disable_pup'] !== true
  return typeof body['prompt_upsampling'] === 'boolean' ? body['prompt_upsampling'] : endpoint.upsamplesByDefault
}

const referencesOf = (body: Fields): readonly string[] =>
  Object.entries(body)
    .filter(([name]) => /^input_image(_[2-8])?$/.test(name))
    .sort(([left], [right]) => left.localeCompare(right))
    .flatMap(([, value]) => string(value) ?? [])

async function submit(kit: Kit<Facts>, { params, body }: WireRequest): Promise<WireReply> {
  const endpoint = Object.hasOwn(ENDPOINTS, params['model'] ?? '') ? ENDPOINTS[params['model'] ?? ''] : undefined
  if (!endpoint) return NOT_FOUND
  const issues = issuesOf(endpoint, body)
  if (issues.length > 0 || !isFields(body)) return detail(422, issues)
  const prompt = string(body['prompt']) ?? ''
  const refusal = kit.refusal(prompt)
  if (refusal) return REPLIES[refusal]

  const references = await Promise.all(referencesOf(body).map(referencePixels))
  if (kit.unfinished() >= MAX_UNFINISHED) return detail(429, 'Too many active tasks')
  const size = outputSize(endpoint, body, references[0])
  const returnsMegapixels = endpoint.family === 'flux-2'
  const url = string(body['webhook_url'])
  const task = kit.accept({
    id: randomUUID(),
    newImageId: randomUUID,
    prompt,
    ...size,
    format: formatOf(body['output_format']),
    seed: body['seed'] === ANY_SEED ? undefined : digitsOf(body['seed']),
    pricePerImage: 'flat' in endpoint.price ? endpoint.price.flat : megapixelPrice(endpoint.price, size, references),
    linkLifeMs: LINK_LIFE_MS,
    webhook: url === null ? null : { url, secret: string(body['webhook_secret']) },
    facts: {
      promptUsed: isUpsampled(endpoint, body) ? `${prompt}, in soft natural light with fine detail` : prompt,
      inputMegapixels: returnsMegapixels ? megapixels(references) : null,
      outputMegapixels: returnsMegapixels ? megapixels([size]) : null,
    },
  })
  return kit.accepted([task], json(200, acceptance(task, kit.origin)))
}

const nullableFloat = (value: number | null): unknown => (value === null ? null : float(value))
/** Dollars as BFL's credits, which are cents. */
const asCredits = (dollars: Usd): unknown => float(usdFromDecimal(dollars, 2))

/** `AsyncResponse`, or `AsyncWebhookResponse` where a webhook was asked for. */
function acceptance({ id, webhook, pricePerImage, facts }: Task<Facts>, origin: string): object {
  const bill = {
    cost: asCredits(pricePerImage),
    input_mp: nullableFloat(facts.inputMegapixels),
    output_mp: nullableFloat(facts.outputMegapixels),
  }
  return webhook === null
    ? { id, polling_url: `${origin}/v1/get_result?id=${id}`, ...bill }
    : { id, status: 'Pending', webhook_url: webhook.url, ...bill }
}

/** `ResultResponse`. */
const result = (id: string, status: string, more: object = {}) => ({
  id,
  status,
  result: null,
  progress: null,
  details: null,
  preview: null,
  ...more,
})

const FAILURES: Readonly<Record<TaskFailure, readonly [status: string, details: object]>> = {
  moderated: ['Request Moderated', { 'Moderation Reasons': ['Violence'] }],
  'moderated-output': ['Content Moderated', { 'Moderation Reasons': ['Sexual Content'] }],
  error: ['Error', { error: 'The task failed while it was processed' }],
}

/** What a poll finds, in BFL's words; also a webhook's body. */
async function resultOf(kit: Kit<Facts>, task: Task<Facts>, poll: Poll): Promise<WireReply> {
  const { id, createdAt, images, facts } = task
  switch (poll.kind) {
    case 'vanished':
      return json(200, result(id, 'Task not found'))
    case 'refused':
      return poll.status === 404 ? json(404, result(id, 'Task not found')) : detail(poll.status, 'refused')
    case 'strange':
      return json(200, result(id, poll.count === 1 ? 'Reasoning' : 'Generating'))
    case 'pending':
      return json(200, result(id, 'Pending', { progress: float(Math.round(poll.progress * 100) / 100) }))
    case 'failed': {
      const [status, details] = FAILURES[poll.failure]
      return json(200, result(id, status, { details }))
    }
    case 'ready': {
      const [image] = images
      if (!image) return REPLIES.crash
      const delivered = {
        start_time: float(createdAt / 1000),
        prompt: facts.promptUsed,
        seed: bareNumber(image.seed),
        sample: await kit.link(task, image),
        end_time: float((createdAt + image.durationMs) / 1000),
        duration: float(image.durationMs / 1000),
      }
      return json(200, result(id, 'Ready', { result: delivered }))
    }
  }
}

/** The query of a signed link, as Azure's storage writes it. */
function linkQuery(task: Task<Facts>, image: TaskImage): Readonly<Record<string, string>> {
  const end = `${new Date(task.createdAt + image.durationMs + LINK_LIFE_MS).toISOString().slice(0, 19)}Z`
  const sig = createHash('sha256').update(`${image.id} ${end}`).digest('base64')
  return { se: end, sp: 'r', sv: '2024-11-04', sr: 'b', rsct: `image/${image.format}`, sig }
}

/**
 * The wire of https://api.bfl.ai/openapi.json (2026-11-21). Where BFL documents nothing (words of errors, the balance at start, whether a
 * webhook is sent again), the emulator does something plausible.
 */
export const startEmulator = createEmulator<Facts>({
  provider: manifest.id,
  typicalMs: 3000,
  startBalance: '1000',
  taskLifeMs: 15 * 60_000,
  unplayed: ['partial', 'extra-image'],
  delivery: {
    path: '/delivery',
    extension: (format) => format,
    query: linkQuery,
    dead: { status: 403, type: 'application/xml', body: '<?xml version="1.0"?><Error><Code>AuthenticationFailed</Code></Error>' },
  },
  webhook: {
    perImage: false,
    tries: 1,
    headers: ({ webhook }) => (webhook?.secret ? { 'x-webhook-secret': webhook.secret } : {}),
    body: async (task, _image, kit) => (await resultOf(kit, task, taskState(task, Date.now()))).body as object,
  },
  key: ({ headers }) => headers['x-key'],
  replies: REPLIES,
  routes: (kit) => [
    { method: 'POST', path: '/v1/:model', answer: (request) => submit(kit, request) },
    { method: 'GET', path: '/v1/credits', answer: () => json(200, { credits: asCredits(kit.balance()) }) },
    {
      method: 'GET',
      path: '/v1/get_result',
      // No security is documented for this route; a key is neither asked for nor read.
      isOpen: true,
      answer: ({ query }) => {
        const { id } = query
        if (!id) return issue(['query', 'id'], 'Field required', 'missing')
        const task = kit.find(id)
        return task ? resultOf(kit, task, kit.poll(task)) : json(404, result(id, 'Task not found'))
      },
    },
  ],
})
