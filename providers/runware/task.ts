import type { Call, Failure, ImageRef, Json, JsonObject, Outcome, VendorCost } from '#contract'
import { sumKnownUsd } from '#contract'
import { costOf, type Reading, seedOf, sourceOf } from './reading.ts'
import { worstOf } from './refusal.ts'
import { type Item, Memo } from './wire.ts'

/** Every call goes here; its body is always an array, of one task. */
export const PATH = '/v1'

/** The paid task a call is about. */
export interface Task extends Memo {
  readonly taskUUID: string
}

/** Only the keys that have a value. */
export const given = (fields: Readonly<Record<string, Json | undefined>>): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter((pair): pair is [string, Json] => pair[1] !== undefined))

export function taskOf(call: Call): Task {
  const tasks: Json | undefined = call.body
  const first: Json = Array.isArray(tasks) ? ((tasks as readonly Json[])[0] ?? null) : null
  const body: JsonObject = typeof first === 'object' && first !== null && !Array.isArray(first) ? (first as JsonObject) : {}
  const taskUUID = typeof body['taskUUID'] === 'string' ? body['taskUUID'] : ''
  return { ...Memo.parse(call.purpose === 'submit' ? body : call.memo), taskUUID }
}

/** The free call that asks what became of a task. */
export function look(task: Task, purpose: 'poll' | 'recover', looks: number, items: readonly Item[]): Call {
  const memo = given({
    numberResults: task.numberResults,
    looks: looks > 0 ? looks : undefined,
    items: items.length > 0 ? items.map((item) => given(item)) : undefined,
  })
  return { purpose, method: 'POST', url: PATH, body: [{ taskType: 'getResponse', taskUUID: task.taskUUID }], memo }
}

function imageOf(item: Item): readonly ImageRef[] {
  const source = sourceOf(item)
  const seed = seedOf(item)
  if (source === null) return []
  return [{ source, ...(seed === undefined ? {} : { seed }), ...(item.NSFWContent === undefined ? {} : { flagged: item.NSFWContent }) }]
}

/** Cost is told for each result. A part untold, or a failure that may be billed, leaves the whole unknown: never a part as the whole. */
function vendorCostOf(task: Task, items: readonly Item[], failures: readonly Failure[]): VendorCost | null {
  if (items.length + failures.length < task.numberResults || failures.some((failure) => failure.billed !== false)) return null
  const amount = sumKnownUsd(items.map(costOf))
  const raw = items.flatMap((item) => item.cost ?? [])
  return amount === null ? null : { amount, raw: raw.length === 1 ? (raw[0] ?? null) : raw }
}

/** The end of a task: its images with what failed beside them, or the failure that speaks for all. */
export function finish(task: Task, items: readonly Item[], failures: readonly Failure[]): Outcome {
  const taskId = task.taskUUID
  const failure = worstOf(failures)
  if (items.length === 0 && failure !== undefined) return { kind: 'failed', failure, taskId }
  const cost = vendorCostOf(task, items, failures)
  return { kind: 'done', images: items.flatMap(imageOf), ...(failures.length > 0 ? { failures } : {}), ...(cost ? { cost } : {}), taskId }
}

/** Finished results count whole, the others by their own 0–100, those untold nothing; null where no number is told. */
function progressOf(task: Task, { images, errors, open }: Reading): number | null {
  const finished = images.length + errors.length
  const told = open.flatMap((item) => item.progress ?? [])
  if (finished === 0 && told.length === 0) return null
  const sum = told.reduce((total, percent) => total + Math.min(100, Math.max(0, percent)) / 100, finished)
  return Math.min(1, Math.round((sum / Math.max(task.numberResults, finished + open.length)) * 1000) / 1000)
}

/** The vendor is at work on it. */
export function waiting(task: Task, reading: Reading): Outcome {
  const progress = progressOf(task, reading)
  return {
    kind: 'pending',
    next: look(task, 'poll', 0, reading.images),
    afterMs: null,
    ...(progress === null ? {} : { progress }),
    taskId: task.taskUUID,
    ...(reading.strangeStatus === undefined ? {} : { note: `unknown status "${reading.strangeStatus}"` }),
  }
}
