import { z } from 'zod'
import { vendorFacts, withoutSecrets } from '#adapter-kit'
import type { StatusTable, VendorWords } from '#adapter-kit'
import type { Json, JsonObject, Reply } from '#contract'

/** What BFL takes beyond the normalized request. Its webhook fields are the gateway's own and no options. */
export const BflOptions = z.strictObject({
  /** RGBA instead of RGB, FLUX.2 only, png or webp only. https://github.com/black-forest-labs/blackforest/blob/main/src/bfl/_models.py, 2026-11-21 */
  transparent_bg: z.boolean().optional(),
  /** "Blob path to the input image", FLUX.2 [flex] only. https://docs.bfl.ai, POST /v1/flux-2-flex, 2026-11-21 */
  input_image_blob_path: z.string().min(1).max(2083).optional(),
  /** Web and image search before drawing, FLUX 3 only, on by default. https://docs.comfy.org/development/comfy-router/models/black-forest-labs/flux-3-image/code, 2026-11-21 */
  grounding: z.boolean().optional(),
  /** "Generate less processed" images, FLUX1.1 [pro] Ultra only. BFL's OpenAPI of 2026-05-01. */
  raw: z.boolean().optional(),
  /** "Blend between the prompt and the image prompt", FLUX1.1 [pro] Ultra only, by default 0.1. BFL's OpenAPI of 2026-05-01. */
  image_prompt_strength: z.number().min(0).max(1).optional(),
  /** −1, BFL's word for a random seed; any other seed is the request's own field. */
  seed: z.literal(-1).optional(),
})
export type BflOptions = z.infer<typeof BflOptions>

/** Where the endpoints differ in language. Limits are data in the manifest. */
export interface Dialect {
  /** Numbered slots (`input_image`, `input_image_2`, …), the one Redux image, or a list. */
  readonly references: 'input_image' | 'image_prompt' | 'images'
  /** `disable_pup` is the inverse switch: there is no field that says "on", and on is the default. */
  readonly upsampling: 'prompt_upsampling' | 'disable_pup' | 'none'
  /** Of an offer that sells shapes: whether it has several resolutions and a field to choose one. */
  readonly hasResolutions?: true
  readonly options: readonly (keyof BflOptions)[]
}

const FLUX_2_PRO: Dialect = { references: 'input_image', upsampling: 'disable_pup', options: ['transparent_bg', 'seed'] }
const FLUX_2_KLEIN: Dialect = { references: 'input_image', upsampling: 'none', options: ['seed'] }
const KONTEXT: Dialect = { references: 'input_image', upsampling: 'prompt_upsampling', options: ['seed'] }

/** By BFL's own model id, which is also the last part of the path. Fields as of 2026-11-28: https://api.bfl.ai/openapi.json and the official SDK. */
const DIALECTS: Readonly<Record<string, Dialect>> = {
  'flux-2-pro': FLUX_2_PRO,
  'flux-2-max': FLUX_2_PRO,
  'flux-2-flex': {
    references: 'input_image',
    upsampling: 'prompt_upsampling',
    options: ['transparent_bg', 'input_image_blob_path', 'seed'],
  },
  'flux-2-klein-4b': FLUX_2_KLEIN,
  'flux-2-klein-9b': FLUX_2_KLEIN,
  'flux-3-image': { references: 'images', upsampling: 'none', hasResolutions: true, options: ['grounding'] },
  'flux-kontext-pro': KONTEXT,
  'flux-kontext-max': KONTEXT,
  'flux-pro-1.1': { references: 'image_prompt', upsampling: 'prompt_upsampling', options: ['seed'] },
  'flux-pro-1.1-ultra': {
    references: 'image_prompt',
    upsampling: 'prompt_upsampling',
    options: ['raw', 'image_prompt_strength', 'seed'],
  },
}

/** The dialect of an endpoint. An id outside the table still goes to its own path, where BFL refuses what it does not know, for free. */
export const dialectOf = (providerModel: string): Dialect =>
  DIALECTS[providerModel] ?? { references: 'input_image', upsampling: 'prompt_upsampling', options: ['seed'] }

/** `input_image`, `input_image_2`, …; the first has no number. */
export const referenceField = (index: number): string => (index === 0 ? 'input_image' : `input_image_${index + 1}`)

const text = z.string().min(1).optional().catch(undefined)
/** A number; as a string of its digits where a double cannot hold it. */
const decimal = z.union([z.number(), z.string()]).optional().catch(undefined)

/** `AsyncResponse` or `AsyncWebhookResponse`: the latter has no `polling_url`. Megapixels have two decimals. */
const SubmitReply = z.looseObject({ id: text, polling_url: text, cost: decimal, input_mp: decimal, output_mp: decimal })
export type SubmitReply = z.infer<typeof SubmitReply>

/** `ResultResponse`, from a poll or posted to a webhook. */
const TaskReply = z.looseObject({
  id: text,
  status: text,
  /**
   * The settled credits, there once the task is Ready: https://docs.bfl.ai/api-reference/utility/get-result as checked by
   * celeste#404 on 2026-09-07, and https://docs.comfy.org/development/comfy-router/models/black-forest-labs/flux-3-image/code, 2026-11-21.
   */
  cost: decimal,
  progress: z.number().min(0).max(1).optional().catch(undefined),
  result: z
    .looseObject({ sample: z.string().optional().catch(undefined), prompt: text, seed: decimal })
    .optional()
    .catch(undefined),
  details: z.record(z.string(), z.unknown()).optional().catch(undefined),
})
export type TaskReply = z.infer<typeof TaskReply>

/** A task in work has null for all that it has not yet: to leave them out takes 0.3 µs, to catch each 1.7, at each poll. */
const withoutNulls = (body: Json): Json =>
  typeof body !== 'object' || body === null || Array.isArray(body)
    ? body
    : Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))

/** Null where the body is no JSON object at all. */
export const readSubmit = (body: Json): SubmitReply | null => SubmitReply.safeParse(body).data ?? null
export const readTask = (body: Json): TaskReply | null => TaskReply.safeParse(withoutNulls(body)).data ?? null
export const readCredits = (body: Json): Json => z.looseObject({ credits: decimal }).safeParse(body).data?.credits ?? null

export const factsOf = ({ input_mp, output_mp }: SubmitReply): { readonly vendor?: JsonObject } => vendorFacts({ input_mp, output_mp })

/**
 * What each status of a task means. The six of `StatusResponse` (https://docs.bfl.ai/api_integration/errors, 2026-11-21), and
 * `Failed`, which is not in that enum and which the polling loops in BFL's own docs end on; `Reasoning` and `Generating` are FLUX 3's
 * (https://github.com/vercel/ai/releases/tag/@ai-sdk%2Fblack-forest-labs@1.0.68, 2026-10-05). A status outside this table is not an end.
 */
const STATUSES = {
  Pending: 'pending',
  Reasoning: 'pending',
  Generating: 'pending',
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

/** Where BFL is more exact than HTTP. https://docs.bfl.ai/api_integration/errors and https://help.bfl.ai/articles/2916279050-why-did-my-request-fail, 2026-11-21. */
const HTTP_STATUSES: StatusTable = {
  402: { says: 'says that the account has not enough credits' },
  404: { says: 'does not know this endpoint' },
  422: { says: 'refused the request as invalid' },
  429: { says: 'says that the account has too many unfinished tasks' },
}

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
export function wordsOf({ body }: Reply): VendorWords & { readonly message: string | null } {
  const about = { title: 'BFL', statuses: HTTP_STATUSES, message: null }
  const fields = z.record(z.string(), z.unknown()).safeParse(body).data ?? {}
  for (const name of ['detail', 'message', 'error']) {
    const plain = Text.safeParse(fields[name])
    if (plain.success) return { ...about, message: withoutSecrets(plain.data) }
    const issues = z.array(ValidationIssue).min(1).safeParse(fields[name])
    if (issues.success) {
      const lines = issues.data.map(({ loc, msg }) => (loc && loc.length > 0 ? `${loc.join('.')}: ${msg}` : msg))
      return { ...about, message: withoutSecrets(lines.join('; ')), code: issues.data[0]?.type ?? null }
    }
  }
  return about
}

/** `details["Moderation Reasons"]`, a list of texts; the key has a space. https://docs.bfl.ai/api_integration/errors, 2026-11-21 */
export function moderationReasons(task: TaskReply): readonly string[] {
  const reasons = task.details?.['Moderation Reasons']
  return (Array.isArray(reasons) ? reasons : [reasons]).filter((reason) => typeof reason === 'string').map(withoutSecrets)
}

/** The end of a signed link's life, from the query parameter `se` (UTC, ISO 8601 to the second). */
export function linkExpiry(url: URL): string | undefined {
  const end = url.searchParams.get('se')
  if (end === null || !/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?Z$/.test(end)) return undefined
  const instant = Date.parse(end)
  return Number.isNaN(instant) ? undefined : new Date(instant).toISOString()
}
