import { z } from 'zod'
import { Usd, usdFromDecimal } from '#contract'
import type { Billed, FailureCode, Json, Reply, VendorCost } from '#contract'

/** What BFL takes beyond the normalized request. Its webhook fields are the gateway's own and no options. */
export const BflOptions = z.strictObject({
  /** RGBA instead of RGB, FLUX.2 only, png or webp only. https://github.com/black-forest-labs/blackforest/blob/main/src/bfl/_models.py, 2026-11-21 */
  transparent_bg: z.boolean().optional(),
  /** "Blob path to the input image", FLUX.2 [flex] only. https://docs.bfl.ai, POST /v1/flux-2-flex, 2026-11-21 */
  input_image_blob_path: z.string().min(1).max(2083).optional(),
})
export type BflOptions = z.infer<typeof BflOptions>

/** Where the endpoints differ in language. Limits are data in the manifest. */
export interface Dialect {
  /** Numbered slots (`input_image`, `input_image_2`, …), or the one Redux image. */
  readonly references: 'input_image' | 'image_prompt'
  /** `disable_pup` is the inverse switch: there is no field that says "on", and on is the default. */
  readonly upsampling: 'prompt_upsampling' | 'disable_pup'
  readonly options: readonly (keyof BflOptions)[]
}

/** By BFL's own model id, which is also the last part of the path. Fields as of 2026-11-21: https://api.bfl.ai/openapi.json and the official SDK. */
const DIALECTS: Readonly<Record<string, Dialect>> = {
  'flux-2-pro': { references: 'input_image', upsampling: 'disable_pup', options: ['transparent_bg'] },
  'flux-2-flex': { references: 'input_image', upsampling: 'prompt_upsampling', options: ['transparent_bg', 'input_image_blob_path'] },
  'flux-pro-1.1': { references: 'image_prompt', upsampling: 'prompt_upsampling', options: [] },
}

/** The dialect of an endpoint. An id outside the table still goes to its own path, where BFL refuses what it does not know, for free. */
export const dialectOf = (providerModel: string): Dialect =>
  DIALECTS[providerModel] ?? { references: 'input_image', upsampling: 'prompt_upsampling', options: [] }

/** `input_image`, `input_image_2`, …; the first has no number. */
export const referenceField = (index: number): string => (index === 0 ? 'input_image' : `input_image_${index + 1}`)

const text = z.string().min(1).optional().catch(undefined)
/** A number; as a string of its digits where a double cannot hold it. */
const decimal = z.union([z.number(), z.string()]).nullish().catch(undefined)

/** `AsyncResponse` or `AsyncWebhookResponse`: the latter has no `polling_url`. */
const SubmitReply = z.looseObject({ id: text, polling_url: text, cost: decimal })
export type SubmitReply = z.infer<typeof SubmitReply>

/** `ResultResponse`, from a poll or posted to a webhook. */
const TaskReply = z.looseObject({
  id: text,
  status: text,
  progress: z.number().min(0).max(1).optional().catch(undefined),
  result: z.looseObject({ sample: text, prompt: text, seed: decimal }).optional().catch(undefined),
  details: z.record(z.string(), z.unknown()).optional().catch(undefined),
})
export type TaskReply = z.infer<typeof TaskReply>

/** Null where the body is no JSON object at all. */
export const readSubmit = (body: Json): SubmitReply | null => SubmitReply.safeParse(body).data ?? null
export const readTask = (body: Json): TaskReply | null => TaskReply.safeParse(body).data ?? null
export const readCredits = (body: Json): Json => z.looseObject({ credits: decimal }).safeParse(body).data?.credits ?? null

/**
 * What each status of a task means. The six of `StatusResponse` (https://docs.bfl.ai/api_integration/errors, 2026-11-21), and
 * `Failed`, which is not in that enum and which the polling loops in BFL's own docs end on.
 * A status outside this table (`Reasoning` and `Generating` were seen by third parties) is not an end.
 */
const STATUSES = {
  Pending: 'pending',
  Ready: 'ready',
  'Request Moderated': 'moderated',
  'Content Moderated': 'moderated',
  Error: 'failed',
  Failed: 'failed',
  'Task not found': 'lost',
} as const
export type StatusMeaning = (typeof STATUSES)[keyof typeof STATUSES] | 'unknown'

export const statusMeaning = (status: string | undefined): StatusMeaning =>
  status !== undefined && Object.hasOwn(STATUSES, status) ? STATUSES[status as keyof typeof STATUSES] : 'unknown'

export interface HttpMeaning {
  readonly code: FailureCode
  readonly message: string
  /** Whether a submit that is answered so may have been bought. */
  readonly billedSubmit: Billed
}

const REJECTED = { code: 'provider_rejected', message: 'BFL refused the request', billedSubmit: false } as const
const BROKEN = { code: 'provider_unavailable', message: 'BFL had an internal error', billedSubmit: 'unknown' } as const

/** https://docs.bfl.ai/api_integration/errors and https://help.bfl.ai/articles/2916279050-why-did-my-request-fail, 2026-11-21. */
const HTTP_STATUSES: Readonly<Record<number, HttpMeaning>> = {
  400: REJECTED,
  401: { code: 'provider_unauthorized', message: 'BFL refused the API key', billedSubmit: false },
  402: { code: 'insufficient_credit', message: 'The BFL account has not enough credits', billedSubmit: false },
  403: { code: 'provider_unauthorized', message: 'The BFL API key has no access to this', billedSubmit: false },
  404: { code: 'provider_rejected', message: 'BFL does not know this endpoint or task', billedSubmit: false },
  408: { code: 'provider_unavailable', message: 'BFL did not answer in time', billedSubmit: 'unknown' },
  422: { code: 'provider_rejected', message: 'BFL refused the request as invalid', billedSubmit: false },
  429: { code: 'rate_limited', message: 'The BFL account has too many unfinished tasks', billedSubmit: false },
  500: BROKEN,
  502: BROKEN,
  503: { code: 'provider_unavailable', message: 'BFL is temporarily unavailable', billedSubmit: false },
  504: BROKEN,
}

/** What an HTTP status outside 200…299 means; one outside the table is judged by its class. */
export function httpMeaning(status: number): HttpMeaning {
  const known = HTTP_STATUSES[status]
  if (known) return known
  if (status >= 500) return BROKEN
  if (status >= 400) return REJECTED
  return { code: 'bad_reply', message: 'BFL answered with an HTTP status that belongs to no reply of its API', billedSubmit: 'unknown' }
}

/** Polls are free, so one that is answered so is asked again. */
export const isWorthAskingAgain = (status: number): boolean => status >= 500 || status < 400 || status === 429 || status === 408

const Text = z.string().trim().min(1)
const ValidationIssue = z.looseObject({
  loc: z
    .array(z.union([z.string(), z.number()]))
    .optional()
    .catch(undefined),
  msg: z.string(),
  type: z
    .string()
    .regex(/^[\w.-]{1,80}$/)
    .optional()
    .catch(undefined),
})

/** What the body of an error says, in BFL's words: the first of `detail`, `message`, `error`; `detail` is a text or a list of issues. */
export function readError(body: unknown): { readonly message: string | null; readonly code: string | null } {
  const fields = z.record(z.string(), z.unknown()).safeParse(body).data ?? {}
  for (const name of ['detail', 'message', 'error']) {
    const plain = Text.safeParse(fields[name])
    if (plain.success) return { message: withoutSecrets(plain.data), code: null }
    const issues = z.array(ValidationIssue).min(1).safeParse(fields[name])
    if (issues.success) {
      const lines = issues.data.map(({ loc, msg }) => (loc && loc.length > 0 ? `${loc.join('.')}: ${msg}` : msg))
      return { message: withoutSecrets(lines.join('; ')), code: issues.data[0]?.type ?? null }
    }
  }
  return { message: null, code: null }
}

const MAX_MESSAGE_CHARS = 500

/** A vendor's text without what signs a link (its query, fragment and user), and no longer than a log line. */
export const withoutSecrets = (message: string): string =>
  message.replaceAll(/\b(https?:\/\/)(?:[^\s/?#"'<>]*@)?([^\s?#"'<>]*)(?:[?#][^\s"'<>]*)?/gi, '$1$2').slice(0, MAX_MESSAGE_CHARS)

/** `details["Moderation Reasons"]`, a list of texts; the key has a space. https://docs.bfl.ai/api_integration/errors, 2026-11-21 */
export function moderationReasons(task: TaskReply): readonly string[] {
  const reasons = task.details?.['Moderation Reasons']
  return (Array.isArray(reasons) ? reasons : [reasons]).filter((reason) => typeof reason === 'string').map(withoutSecrets)
}

/** BFL's credits are US cents (https://docs.bfl.ai/quick_start/pricing.md, 2026-11-21). Undefined where the value is no amount. */
export function costFromCredits(credits: Json | undefined): VendorCost | undefined {
  if ((typeof credits !== 'number' && typeof credits !== 'string') || !/^\d{1,15}(\.\d{1,30})?(e[+-]?\d)?$/i.test(String(credits))) return
  const amount = usdFromDecimal(credits, -2)
  return Usd.safeParse(amount).success ? { amount, raw: credits } : undefined
}

/** Digits of a seed; undefined where digits are already lost or it is none. */
export function seedDigits(seed: number | string | null | undefined): string | undefined {
  if (typeof seed === 'number') return Number.isSafeInteger(seed) && seed >= 0 ? String(seed) : undefined
  return typeof seed === 'string' && /^\d{1,40}$/.test(seed) ? seed : undefined
}

/** The end of a signed link's life, from the query parameter `se` (UTC, ISO 8601 to the second). */
export function linkExpiry(url: URL): string | undefined {
  const end = url.searchParams.get('se')
  if (end === null || !/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z$/.test(end)) return undefined
  const instant = Date.parse(end)
  return Number.isNaN(instant) ? undefined : new Date(instant).toISOString()
}

/** An absolute http(s) URL, or null. */
export const webUrl = (value: string | undefined): URL | null =>
  value !== undefined && /^https?:\/\/\S+$/.test(value) ? URL.parse(value) : null

const DAY_MS = 86_400_000

/** Milliseconds from `Retry-After`, up to a day: seconds, or a date measured against the reply's own `Date`. */
export function retryAfterMs(reply: Reply): number | undefined {
  const value = reply.headers['retry-after']?.trim() ?? ''
  const waitMs = /^\d{1,5}$/.test(value)
    ? Number(value) * 1000
    : /[a-z]/i.test(value)
      ? Math.max(0, Date.parse(value) - Date.parse(reply.headers['date'] ?? ''))
      : Number.NaN
  return waitMs <= DAY_MS ? waitMs : undefined
}
