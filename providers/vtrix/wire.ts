import { z } from 'zod'
import { vendorFacts, withoutSecrets } from '#adapter-kit'
import type { JsonObject } from '#contract'

/** What this vendor takes beyond the normalized request. */
export const VtrixOptions = z.strictObject({
  /**
   * `nested` (what is sent when absent): `{ model, input: [{ params: {…} }] }`, as the vendor's own client does
   * (https://github.com/VtrixAI/vtrix-cli, internal/generation/client.go, 2026-04-10).
   * `flat`: `{ model, prompt, … }`, as the parameter lists of https://doc.vtrix.ai read (2026-11-21); no page shows an example.
   */
  request_shape: z
    .enum(['nested', 'flat'])
    .optional()
    .meta({ description: 'Shape of the submit body. Default "nested"; "flat" puts every parameter beside `model`.' }),
  /**
   * The vendor's own value, up to its documented 6 where the normalized scale stops at upstream's 5. Never makes a request
   * looser: beside a stricter normalized `safety_tolerance`, the stricter one is sent.
   */
  safety_tolerance: z
    .enum(['1', '2', '3', '4', '5', '6'])
    .optional()
    .meta({ description: '"1" (strictest) to "6", sent as it stands. Use it without the normalized safety_tolerance.' }),
})
export type VtrixOptions = z.infer<typeof VtrixOptions>

/** How one vendor model spells what differs between models. */
export interface Dialect {
  /** In the order of the reference images. */
  readonly referenceFields: readonly string[]
  /** The type of `safety_tolerance` differs inside this one vendor (pages of both models, 2026-11-21). */
  readonly safety: 'string' | 'integer'
}

const FLUX_2_PRO: Dialect = {
  // https://doc.vtrix.ai/docs/api/blackforestlabs/flux-2-pro, 2026-11-21
  referenceFields: ['input_image', ...[2, 3, 4, 5, 6, 7, 8].map((slot) => `input_image_${slot}`)],
  safety: 'string',
}

const FLUX_PRO_11: Dialect = {
  // https://doc.vtrix.ai/docs/api/blackforestlabs/flux-pro-11, 2026-11-21
  referenceFields: ['image_prompt'],
  safety: 'integer',
}

/** By vendor model id; holds exactly the models of manifest.json. `flux_2_flex` is absent: no page for it was found (2026-11-21). */
export const DIALECTS: Readonly<Record<string, Dialect>> = { flux_2_pro: FLUX_2_PRO, flux_pro_11: FLUX_PRO_11 }

/** The dialect of a vendor model; newer models are spelled as the newest known. */
export const dialectOf = (providerModel: string): Dialect =>
  Object.hasOwn(DIALECTS, providerModel) ? (DIALECTS[providerModel] ?? FLUX_2_PRO) : FLUX_2_PRO

const Text = z.string().trim().min(1).optional().catch(undefined)

/** Goes into the path of the poll: nothing that needs escaping, and no dot segments. */
const TaskId = z
  .union([z.string(), z.int().transform(String)])
  .pipe(z.string().regex(/^(?!\.+$)[\w.:~-]{1,200}$/))
  .optional()
  .catch(undefined)

const Content = z.object({ type: Text, url: z.string().optional().catch(undefined) }).catch({})

const Usage = z.object({
  /** US dollars; a string by the page, a number tolerated. */
  cost: z.union([z.string(), z.number()]).optional().catch(undefined),
  /** "Discount amount"; whether `cost` is before or after it is not said. */
  discount: z.union([z.string(), z.number(), z.null()]).optional().catch(undefined),
})

/**
 * A task as the replies to submit and poll show it. Sources disagree and every shape is taken: `id` (vendor's client) and `task_id`
 * (https://doc.vtrix.ai/public/cli/cmd-task/, 2026-11-21); `error` as a string, `{ code, message }` or `{ code, error_message }`.
 * A field of an unexpected type counts as absent.
 */
const TaskReply = z.object({
  id: TaskId,
  task_id: TaskId,
  status: Text,
  output: z
    .array(z.object({ content: z.array(Content).catch([]) }).catch({ content: [] }))
    .optional()
    .catch(undefined),
  error: z.unknown().optional(),
  progress: z.number().optional().catch(undefined),
  usage: Usage.optional().catch(undefined),
  /** "Metadata information", an object of unknown content. */
  metadata: z.record(z.string(), z.unknown()).optional().catch(undefined),
})

export interface VendorError {
  readonly code: string | null
  readonly message: string | null
}

export interface Task {
  readonly id: string | undefined
  readonly status: string | undefined
  /** What stands where a link to an image belongs, as it came. */
  readonly links: readonly string[]
  readonly error: VendorError | null
  /** 0…1. */
  readonly progress: number | undefined
  readonly usage: z.infer<typeof Usage> | undefined
  readonly facts: { readonly vendor?: JsonObject }
}

/** A body as a task, or null where it is not a JSON object. */
export function readTask(body: unknown): Task | null {
  const parsed = TaskReply.safeParse(body)
  if (!parsed.success) return null
  const { id, task_id, status, output = [], error, progress, usage, metadata } = parsed.data
  return {
    id: id ?? task_id,
    status,
    links: output.flatMap(({ content }) => content.flatMap((item) => (item.url && isImage(item.type) ? [item.url] : []))),
    error: readError(error),
    progress: readProgress(progress),
    usage,
    facts: vendorFacts({ discount: usage?.discount, metadata }),
  }
}

/** The client knows `video | image | audio`, a page shows `video_url`; whatever else comes with a link may be an image, and its bytes are checked. */
const isImage = (type: string | undefined): boolean => !/^(video|audio)/i.test(type ?? '')

/** A float without a published range: 0…1, and percent where it is above 1. */
function readProgress(progress: number | undefined): number | undefined {
  if (progress === undefined || !(progress >= 0 && progress <= 100)) return undefined
  // A negative zero would not survive as JSON.
  return progress > 1 ? progress / 100 : Math.abs(progress)
}

const ErrorObject = z.object({
  code: z
    .union([z.string().trim(), z.number().transform(String)])
    .optional()
    .catch(undefined),
  message: Text,
  error_message: Text,
})

/** The error of a task, or null where there is none: absent, empty, or an object of nothing but empty values. */
export function readError(error: unknown): VendorError | null {
  if (typeof error === 'string') return error.trim() === '' ? null : { code: null, message: withoutSecrets(error) }
  const parsed = ErrorObject.safeParse(error)
  if (!parsed.success || Object.values(Object(error)).every((value) => !value)) return null
  const { code, message, error_message } = parsed.data
  // The vendor's client prefers error_message where both are there.
  const text = error_message ?? message
  return { code: code ? withoutSecrets(code) : null, message: text ? withoutSecrets(text) : null }
}

/** The error body of an HTTP status of 400 or more: `{ message }` or `{ error }`; anything else says nothing. */
export function readHttpError(body: unknown): VendorError {
  const nothing: VendorError = { code: null, message: null }
  const parsed = z.object({ message: Text, error: z.unknown().optional() }).safeParse(body)
  if (!parsed.success) return nothing
  const { code, message } = readError(body) ?? nothing
  if (message) return { code, message }
  return readError(parsed.data.error) ?? { code, message }
}

/**
 * `in_progress | completed | failed` in the vendor's client (2026-04-10), `pending | processing | completed | failed` on
 * https://doc.vtrix.ai/public/cli/cmd-task/ (2026-11-21), `IN_QUEUE` at gateways of the same family; hence any case.
 * `cancelled`, `canceled` and `expired` are documented nowhere: if they came, waiting on would be in vain.
 */
const STATUSES: ReadonlyMap<string, 'completed' | 'failed' | 'pending'> = new Map([
  ['completed', 'completed'],
  ['failed', 'failed'],
  ['cancelled', 'failed'],
  ['canceled', 'failed'],
  ['expired', 'failed'],
  ['in_progress', 'pending'],
  ['pending', 'pending'],
  ['processing', 'pending'],
  ['in_queue', 'pending'],
  ['queued', 'pending'],
])

/** What a status means for us; `unknown` is neither success nor failure. */
export const stateOf = (status: string | undefined): 'completed' | 'failed' | 'pending' | 'unknown' =>
  STATUSES.get(status?.toLowerCase() ?? '') ?? 'unknown'
