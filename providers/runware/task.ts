import { costOf, digitsOf, retryAfterMs, vendorFacts } from '#adapter-kit'
import { isObject, sumKnownUsd } from '#contract'
import type { Call, Failure, ImageRef, Json, JsonObject, Outcome, Reply, VendorCost } from '#contract'
import { type Reading, sourceOf } from './reading.ts'
import { worstOf } from './refusal.ts'
import { type Item, type Memo, memoOf } from './wire.ts'

/** Every call goes here; its body is always an array, of one task. */
export const PATH = '/v1'

/** The paid task a call is about. */
export interface Task extends Memo {
  readonly taskUUID: string
}

/** Only the keys that have a value. */
export function given(fields: Readonly<Record<string, Json | undefined>>): JsonObject {
  const values: Record<string, Json> = {}
  for (const field in fields) {
    const value = fields[field]
    if (value !== undefined) values[field] = value
  }
  return values
}

export function taskOf(call: Call): Task {
  const tasks: Json | undefined = call.body
  const first: Json = Array.isArray(tasks) ? ((tasks as readonly Json[])[0] ?? null) : null
  const body: JsonObject = isObject(first) ? first : {}
  const taskUUID = typeof body['taskUUID'] === 'string' ? body['taskUUID'] : ''
  return { ...memoOf(call.purpose === 'submit' ? body : call.memo), taskUUID }
}

/** The free call that asks what became of a task. */
export function pollOf(task: Task, purpose: 'poll' | 'recover', items: readonly Item[]): Call {
  const memo = given({ numberResults: task.numberResults, items: items.length > 0 ? items.map((item) => given(item)) : undefined })
  return { purpose, method: 'POST', url: PATH, body: [{ taskType: 'getResponse', taskUUID: task.taskUUID }], memo }
}

function imageOf(item: Item): readonly ImageRef[] {
  const source = sourceOf(item)
  const seed = digitsOf(item.seed)
  if (source === null) return []
  return [
    {
      source,
      ...(item.imageUUID ? { id: item.imageUUID } : {}),
      ...(seed === undefined ? {} : { seed }),
      ...(item.NSFWContent === undefined ? {} : { flagged: item.NSFWContent }),
    },
  ]
}

/** What is known of a task besides its images: our id for it, and the vendor's ids of its images, a list where they are several. */
export function knownOf(task: Task, items: readonly Item[]): { readonly taskId?: string; readonly vendor?: JsonObject } {
  const ids = items.flatMap(({ imageUUID }) => (imageUUID ? [imageUUID] : []))
  return {
    ...(task.taskUUID === '' ? {} : { taskId: task.taskUUID }),
    ...vendorFacts({ imageUUID: ids.length > 1 ? ids : ids[0] }),
  }
}

/**
 * Each result has its cost. A missing part, or a failure that may be billed, leaves the whole unknown: never a part as the whole. Beside as
 * many results as were ordered, an error stands for none of them.
 */
function vendorCostOf(task: Task, items: readonly Item[], failures: readonly Failure[]): VendorCost | null {
  const missing = task.numberResults - items.length
  if (missing > 0 && (missing > failures.length || failures.some((failure) => failure.billed !== false))) return null
  const amount = sumKnownUsd(items.map((item) => costOf(item.cost)?.amount ?? null))
  const raw = items.flatMap((item) => item.cost ?? [])
  return amount === null ? null : { amount, raw: raw.length === 1 ? (raw[0] ?? null) : raw }
}

/** The end of a task: its images with what failed beside them, or the failure that speaks for all. */
export function finish(task: Task, items: readonly Item[], failures: readonly Failure[]): Outcome {
  const known = knownOf(task, items)
  const failure = worstOf(failures)
  if (items.length === 0 && failure !== undefined) return { kind: 'failed', failure, ...known }
  const cost = vendorCostOf(task, items, failures)
  return { kind: 'done', images: items.flatMap(imageOf), ...(failures.length > 0 ? { failures } : {}), ...(cost ? { cost } : {}), ...known }
}

/** Finished results count whole, the others by their own 0–100, those not mentioned nothing; null where there is no number at all. */
function progressOf(task: Task, { images, errors, open }: Reading): number | null {
  const finished = images.length + errors.length
  const percents = open.flatMap((item) => item.progress ?? [])
  if (finished === 0 && percents.length === 0) return null
  const sum = percents.reduce((total, percent) => total + Math.min(100, Math.max(0, percent)) / 100, finished)
  return Math.min(1, Math.round((sum / Math.max(task.numberResults, finished + open.length)) * 1000) / 1000)
}

/** The task goes on; what has been delivered so far is kept. */
export function waiting(task: Task, reading: Reading, reply: Reply, purpose: 'poll' | 'recover' = 'poll', note?: string): Outcome {
  const progress = progressOf(task, reading)
  const remark = reading.strangeStatus === undefined ? note : `unknown status "${reading.strangeStatus}"`
  const images = reading.images.flatMap(imageOf)
  return {
    kind: 'pending',
    next: pollOf(task, purpose, reading.images),
    afterMs: retryAfterMs(reply.headers),
    ...(progress === null ? {} : { progress }),
    ...(images.length > 0 ? { images } : {}),
    ...knownOf(task, reading.images),
    ...(remark === undefined ? {} : { note: remark }),
  }
}
