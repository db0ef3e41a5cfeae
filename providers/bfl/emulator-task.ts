import { createHash, randomUUID } from 'node:crypto'
import { usdFromDecimal } from '#contract'
import type { Usd } from '#contract'
import { drawImage, storyOf, taskDurationMs } from '#sandbox'
import type { Story } from '#sandbox'
import { outputSize, referencePixels, taskPrice, toldMegapixels } from './emulator-endpoints.ts'
import type { Endpoint, Pixels } from './emulator-endpoints.ts'

/** Links live 10 minutes from completion (live reply, 2025-07). */
const LINK_LIFE_MS = 10 * 60_000
/** The emulator's own memory of an ended task; then it is not found. */
const TASK_LIFE_MS = 15 * 60_000

export interface Task {
  readonly id: string
  readonly story: Story | null
  readonly prompt: string
  readonly promptUsed: string
  /** Digits. */
  readonly seed: string
  readonly output: Pixels
  readonly format: 'jpeg' | 'png' | 'webp'
  readonly price: Usd
  readonly inputMegapixels: number
  readonly createdAt: number
  readonly durationMs: number
  readonly webhook: { readonly url: string; readonly secret: string | null } | null
  polls: number
  image: Promise<Buffer> | null
}

type Body = Readonly<Record<string, unknown>>

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null)
const whole = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined)

/** A task for a valid body. `serial` is its number in this process; what a vendor leaves to chance follows from it. */
export function acceptTask(endpoint: Endpoint, body: Body, serial: number, typicalMs: number): Task {
  const prompt = text(body['prompt']) ?? ''
  const story = storyOf(prompt, 'bfl')
  const references = referencesOf(body).map(referencePixels)
  const asked = {
    ...(whole(body['width']) === undefined ? {} : { width: Number(body['width']) }),
    ...(whole(body['height']) === undefined ? {} : { height: Number(body['height']) }),
  }
  const output = outputSize(endpoint, asked, references[0])
  const webhookUrl = text(body['webhook_url'])
  return {
    id: randomUUID(),
    story,
    prompt,
    promptUsed: isUpsampled(endpoint, body) ? `${prompt}, in soft natural light with fine detail` : prompt,
    seed: seedOf(body, story, serial),
    output,
    format: formatOf(body['output_format']),
    price: taskPrice(endpoint, output, references),
    inputMegapixels: toldMegapixels(references),
    createdAt: Date.now(),
    durationMs: durationOf(story, taskDurationMs(typicalMs, chance(serial, 'duration') / 2 ** 32)),
    webhook: webhookUrl === null ? null : { url: webhookUrl, secret: text(body['webhook_secret']) },
    polls: 0,
    image: null,
  }
}

/** 0 to 2^32 - 1, evenly spread, the same for the same serial and name. */
const chance = (serial: number, name: string): number => createHash('sha256').update(`${name} ${serial}`).digest().readUInt32BE(0)

const referencesOf = (body: Body): string[] =>
  Object.entries(body)
    .filter(([name]) => /^input_image(_\d)?$/.test(name))
    .sort(([left], [right]) => left.localeCompare(right))
    .flatMap(([, value]) => text(value) ?? [])

const formatOf = (value: unknown): Task['format'] => (value === 'png' || value === 'webp' ? value : 'jpeg')

function isUpsampled(endpoint: Endpoint, body: Body): boolean {
  if (endpoint.family === 'flux-2' && !endpoint.isFlex) return body['disable_pup'] !== true
  return typeof body['prompt_upsampling'] === 'boolean' ? body['prompt_upsampling'] : endpoint.upsamplesByDefault
}

function seedOf(body: Body, story: Story | null, serial: number): string {
  if (story === 'big-seed') return '9223372036854775807'
  return typeof body['seed'] === 'number' ? BigInt(body['seed']).toString() : String(chance(serial, 'seed'))
}

/** Input moderation ends a task before it is processed. */
const durationOf = (story: Story | null, ms: number): number =>
  story === 'slow' ? ms * 20 : story === 'moderated' ? Math.ceil(ms / 10) : ms

const readyAt = (task: Task): number => task.createdAt + task.durationMs
export const isUnfinished = (task: Task, now: number): boolean =>
  task.story !== 'vanished' && (task.story === 'never' || now < readyAt(task))
export const isForgotten = (task: Task, now: number): boolean => now > readyAt(task) + TASK_LIFE_MS
export const isChargedFor = ({ story }: Task): boolean => story !== 'moderated' && story !== 'moderated-output' && story !== 'error'

/** A number written with these digits, where JSON.stringify would drop a `.0` or lose digits. */
export const exactNumber = (digits: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(digits)
/** A number as Python writes a float: always with a point. */
const float = (value: number | string): unknown => exactNumber(/[.e]/.test(String(value)) ? String(value) : `${value}.0`)
/** Dollars as BFL's credits, which are cents. */
export const asCredits = (dollars: Usd): unknown => float(usdFromDecimal(dollars, 2))

/** `AsyncResponse`, or `AsyncWebhookResponse` where a webhook was asked for. */
export function submitReply(task: Task, origin: string): object {
  const told = { cost: asCredits(task.price), input_mp: float(task.inputMegapixels), output_mp: float(toldMegapixels([task.output])) }
  return task.webhook === null
    ? { id: task.id, polling_url: `${origin}/v1/get_result?id=${task.id}`, ...told }
    : { id: task.id, status: 'Pending', webhook_url: task.webhook.url, ...told }
}

const result = (id: string, status: string, more: object = {}) => ({
  id,
  status,
  result: null,
  progress: null,
  details: null,
  preview: null,
  ...more,
})

export const notFound = (id: string): object => result(id, 'Task not found')

/** `ResultResponse` as the task stands at `now`; also what a webhook is told. */
export function resultReply(task: Task, now: number, origin: string): object {
  const { id, story } = task
  if (story === 'vanished') return notFound(id)
  if (story === 'unknown-status' && task.polls === 1) return result(id, 'Reasoning')
  if (story === 'unknown-status' && task.polls === 2) return result(id, 'Generating')
  if (isUnfinished(task, now)) {
    const elapsed = Math.min(0.99, (now - task.createdAt) / task.durationMs)
    return result(id, 'Pending', { progress: float(Math.round(elapsed * 100) / 100) })
  }
  if (story === 'moderated') return result(id, 'Request Moderated', { details: { 'Moderation Reasons': ['Violence'] } })
  if (story === 'moderated-output') return result(id, 'Content Moderated', { details: { 'Moderation Reasons': ['Sexual Content'] } })
  if (story === 'error') return result(id, 'Error', { details: { error: 'The task failed while it was processed' } })
  return result(id, 'Ready', {
    result: {
      start_time: float(task.createdAt / 1000),
      prompt: task.promptUsed,
      seed: exactNumber(task.seed),
      sample: `${origin}/delivery/${id}.${task.format}?${linkQuery(task)}`,
      end_time: float(readyAt(task) / 1000),
      duration: float(task.durationMs / 1000),
    },
  })
}

const linkEnd = (task: Task): string => `${new Date(readyAt(task) + LINK_LIFE_MS).toISOString().slice(0, 19)}Z`
const signature = (task: Task): string =>
  createHash('sha256')
    .update(`${task.id} ${linkEnd(task)}`)
    .digest('base64')

const linkQuery = (task: Task): string =>
  new URLSearchParams({
    se: linkEnd(task),
    sp: 'r',
    sv: '2024-11-04',
    sr: 'b',
    rsct: `image/${task.format}`,
    sig: signature(task),
  }).toString()

/** Whether a link with this query opens the image at `now`. */
export const isLinkAlive = (task: Task, query: Readonly<Record<string, string>>, now: number): boolean =>
  task.story !== 'expired-link' && query['sig'] === signature(task) && query['se'] === linkEnd(task) && now <= Date.parse(linkEnd(task))

/** The image's bytes, drawn once. */
export function imageOf(task: Task): Promise<Buffer> {
  task.image ??= drawImage({ ...task.output, format: task.format, prompt: task.prompt, seed: task.seed })
  return task.image
}
