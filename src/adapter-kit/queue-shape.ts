import { z } from 'zod'
import { valueAt, writeAt } from '#contract'
import type { Adapter, Call, Json, JsonObject, Order, Outcome, QueueBody, QueueShape, Reply } from '#contract'
import { exactNumber } from './exact-number.ts'
import { memoOf, pollCall, readQueueReply } from './queue-replies.ts'

/**
 * The language of a vendor whose queue names, in its answer to a submit, the addresses to go on with. An adapter for one of them that needs
 * more takes what this returns and refines it.
 */
export function queueShape(title: string, shape: QueueShape): Adapter<Record<string, never>> {
  const { cancel_method: cancelMethod, listing } = shape
  return {
    options: z.strictObject({}),
    translate: (order) => ({ call: submitFor(order, shape), warnings: [] }),
    interpret: (reply, call) => orAsked(readQueueReply(title, shape, reply, call), reply, call, shape),
    ...(cancelMethod !== undefined && { cancel: (poll: Call) => cancelFor(poll, cancelMethod) }),
    ...(listing !== undefined && { recover: (submit: Call) => listingFor(submit, shape, listing) }),
  }
}

function submitFor(order: Order, shape: QueueShape): Call {
  const own = shape.models[order.providerModel] ?? {}
  const [path, referencesPath] = [own.path ?? shape.path, own.references_path ?? own.path ?? shape.references_path ?? shape.path]
  const address = (order.references.length > 0 ? referencesPath : path).replace('{provider_model}', order.providerModel)
  const query = shape.webhook_query !== undefined && order.webhook ? `?${shape.webhook_query}=${encodeURIComponent(order.webhook.url)}` : ''
  return { purpose: 'submit', method: 'POST', url: address + query, body: bodyFor(order, { ...shape.body, ...own.body }, shape) }
}

function bodyFor(order: Order, fields: QueueBody, { fixed = {}, beside = {} }: QueueShape): JsonObject {
  const body: Record<string, unknown> = {}
  for (const [pointer, value] of Object.entries(fixed)) writeAt(body, pointer, value)
  for (const [key, value] of Object.entries(valuesOf(order))) {
    const name = key as keyof QueueBody
    const field = fields[name]
    if (field === undefined || value === undefined) continue
    for (const [pointer, constant] of Object.entries(beside[name] ?? {})) writeAt(body, pointer, constant)
    if (typeof field === 'string') writeAt(body, field, value)
    else writeAt(body, field.at, asWritten(value, field))
  }
  return body as JsonObject
}

function asWritten(value: Json, { as, between, values = {} }: Exclude<QueueBody['prompt'], string | undefined>): Json {
  const first = as === 'first' && Array.isArray(value) ? ((value as readonly Json[])[0] ?? null) : value
  if (typeof first === 'string') return values[first] ?? (between === undefined ? first : first.replace('x', between))
  return as === 'text' && (typeof first === 'number' || typeof first === 'boolean') ? String(first) : first
}

/** Only what was asked; a number of images beyond one. */
const valuesOf = (order: Order): Readonly<Record<keyof QueueBody, Json | undefined>> => ({
  model: order.providerModel,
  prompt: order.prompt,
  n: order.count > 1 ? order.count : undefined,
  width: order.width,
  height: order.height,
  size: order.width === undefined || order.height === undefined ? undefined : `${order.width}x${order.height}`,
  aspect_ratio: order.tier?.aspectRatio,
  tier: order.tier?.name,
  references: order.references.length > 0 ? [...order.references] : undefined,
  mask: order.mask,
  seed: order.seed === undefined ? undefined : exactNumber(order.seed),
  output_format: order.outputFormat,
  output_quality: order.outputQuality,
  safety_tolerance: order.safetyTolerance,
  prompt_upsampling: order.promptUpsampling,
  guidance: order.guidance,
  steps: order.steps,
  quality: order.quality,
  background: order.background,
  webhook: order.webhook?.url,
})

/** Only for a task whose address for that the vendor gave. */
function cancelFor(poll: Call, method: 'PUT' | 'POST'): Call | null {
  const { cancel } = memoOf(poll)
  if (poll.purpose === 'submit' || cancel === undefined) return null
  return { purpose: 'cancel', method, url: cancel, ...(poll.memo === undefined ? {} : { memo: poll.memo }) }
}

/** The list of tasks, in which ours is the one with the address for callbacks that this submit gave; none was given: nothing to find it by. */
function listingFor(
  submit: Call,
  { body: fields, webhook_query: query }: QueueShape,
  { path }: NonNullable<QueueShape['listing']>,
): Call | null {
  const at = typeof fields.webhook === 'object' ? fields.webhook.at : fields.webhook
  const inBody = at === undefined ? undefined : valueAt(submit.body, at)
  const ours = query === undefined ? inBody : URL.parse(submit.url, 'https://base.invalid')?.searchParams.get(query)
  return typeof ours === 'string' ? { ...pollCall(path, {}), purpose: 'recover', memo: { ours } } : null
}

/** A submit whose answer names no task and leaves open what it bought is asked for in the list, as one whose answer was lost. */
function orAsked(outcome: Outcome, reply: Reply, call: Call, shape: QueueShape): Outcome {
  if (call.purpose !== 'submit' || shape.listing === undefined || !leavesOpen(outcome)) return outcome
  const next = listingFor(call, shape, shape.listing)
  return next === null
    ? outcome
    : { kind: 'pending', next, afterMs: null, note: `a submit was answered without a task (HTTP ${reply.status})` }
}

const leavesOpen = (outcome: Outcome): boolean =>
  outcome.kind === 'failed' &&
  outcome.taskId === undefined &&
  outcome.failure.billed === 'unknown' &&
  (outcome.failure.code === 'bad_reply' || outcome.failure.code === 'provider_unavailable')
