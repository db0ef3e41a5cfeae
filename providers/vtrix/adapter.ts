import { exactNumber } from '#adapter-kit'
import {
  Usd,
  usdFromDecimal,
  type Adapter,
  type Call,
  type Json,
  type Order,
  type Outcome,
  type Reply,
  type VendorCost,
  type Warning,
} from '#contract'
import { badReply, pollFailure, refusedTask, retryAfterMs, submitFailure, taskFailure } from './failures.ts'
import { dialectOf, printable, readTask, stateOf, VtrixOptions, type Task, type VendorError } from './wire.ts'

const SUBMIT_PATH = '/model/v1/generation'

/** Vtrix: submit a task, poll it by its id. No recovery of a lost submit, no balance, no webhook: none is documented (2026-11-21). */
export const adapter: Adapter<VtrixOptions> = {
  options: VtrixOptions,

  translate(order) {
    const safety = chooseSafety(order)
    const params = paramsOf(order, safety.value)
    const body =
      order.options.request_shape === 'flat'
        ? { model: order.providerModel, ...params }
        : { model: order.providerModel, input: [{ params }] }
    return { call: { purpose: 'submit', method: 'POST', url: SUBMIT_PATH, body }, warnings: safety.warnings }
  },

  interpret(reply, call) {
    return call.purpose === 'submit' ? readSubmit(reply) : readPoll(reply, call)
  },
}

function paramsOf(order: Order<VtrixOptions>, safety: number | undefined): { readonly [field: string]: Json } {
  const dialect = dialectOf(order.providerModel)
  const references = order.references.map((reference, index) => [dialect.referenceFields[index] ?? `input_image_${index + 1}`, reference])
  return {
    prompt: order.prompt,
    ...Object.fromEntries(references),
    ...(order.width === undefined ? {} : { width: order.width }),
    ...(order.height === undefined ? {} : { height: order.height }),
    ...(order.seed === undefined ? {} : { seed: exactNumber(order.seed) }),
    ...(safety === undefined ? {} : { safety_tolerance: dialect.safety === 'string' ? String(safety) : safety }),
    ...(order.promptUpsampling === undefined ? {} : { prompt_upsampling: order.promptUpsampling }),
    ...(order.outputFormat === undefined ? {} : { output_format: order.outputFormat }),
  }
}

/** The stricter of the normalized field and the vendor option, where both are given. */
function chooseSafety(order: Order<VtrixOptions>): { readonly value: number | undefined; readonly warnings: readonly Warning[] } {
  const option = order.options.safety_tolerance
  const asked = order.safetyTolerance
  if (option === undefined) return { value: asked, warnings: [] }
  const insisted = Number(option)
  if (asked === undefined || asked === insisted) return { value: insisted, warnings: [] }
  if (insisted > asked) {
    const reason = 'looser than safety_tolerance of the same request; the stricter of the two is used'
    return {
      value: asked,
      warnings: [{ code: 'ignored_option', field: 'provider_options.vtrix.safety_tolerance', requested: option, used: asked, reason }],
    }
  }
  const reason = 'provider_options.vtrix.safety_tolerance is stricter; the stricter of the two is used'
  return { value: insisted, warnings: [{ code: 'adjusted', field: 'safety_tolerance', requested: asked, used: insisted, reason }] }
}

const isSuccess = (reply: Reply): boolean => reply.status >= 200 && reply.status < 300

function readSubmit(reply: Reply): Outcome {
  if (!isSuccess(reply)) return { kind: 'failed', failure: submitFailure(reply) }
  const task = readTask(reply.body)
  if (!task)
    return { kind: 'failed', failure: badReply('The provider answered the submit with something that is not a task.', 'unknown', reply) }
  // The vendor's client takes an error without an id as a failed submit, whatever the HTTP status.
  if (task.id === undefined && task.error) return refused(task, task.error, reply)
  // Gateways of the same family answer fast tasks at once; then there is nothing left to poll.
  const end = readEnd(task, task.id, reply)
  if (end) return end
  if (task.id === undefined)
    return { kind: 'failed', failure: badReply('The provider accepted the submit without telling a task id.', 'unknown', reply) }
  return pending(task, pollOf(task.id), task.id)
}

function readPoll(reply: Reply, call: Call): Outcome {
  const taskId = taskIdOf(call)
  const task = readTask(reply.body)
  if (!isSuccess(reply)) {
    // The vendor's client stops at an error status whose body tells a failed task.
    if (task && stateOf(task.status) === 'failed') return failed(task, taskId)
    // A redirect is some front's, not the API's word: the task goes on behind it.
    if (reply.status >= 400 && reply.status < 500 && reply.status !== 429 && reply.status !== 408)
      return { kind: 'failed', failure: pollFailure(reply), ...(taskId ? { taskId } : {}) }
    return { ...stillPending(call, taskId), afterMs: retryAfterMs(reply) ?? null }
  }
  // A poll is free and the task is paid for: an unreadable answer is asked again until the deadline.
  if (!task) return { ...stillPending(call, taskId), note: 'the poll was answered with something that is not a task' }
  return readEnd(task, taskId, reply) ?? pending(task, call, taskId)
}

/** The end of a task, or null while it goes on. */
function readEnd(task: Task, taskId: string | undefined, reply: Reply): Outcome | null {
  switch (stateOf(task.status)) {
    case 'completed':
      // At gateways of the same family a completed task may still carry an error; it has not succeeded then.
      return task.error ? failed(task, taskId) : done(task, taskId, reply)
    case 'failed':
      return failed(task, taskId)
    case 'unknown':
      // An error is "only present when status is failed": https://doc.vtrix.ai/docs/api/blackforestlabs/flux-2-pro, 2026-11-21
      return task.error ? failed(task, taskId) : null
    case 'pending':
      return null
  }
}

function done(task: Task, taskId: string | undefined, reply: Reply): Outcome {
  const cost = costOf(task)
  const told = { ...(cost ? { cost } : {}), ...(taskId ? { taskId } : {}) }
  if (task.imageUrls.length === 0) {
    const billed = chargeOf(task) ? true : 'unknown'
    return { kind: 'failed', failure: badReply('The provider’s task is completed and holds no image.', billed, reply), ...told }
  }
  // No schema of this vendor has a seed in its results, so none is told; the request's own is not the vendor's word.
  return { kind: 'done', images: task.imageUrls.map((url) => ({ source: { kind: 'url', url } })), ...told }
}

/** Whether a failed task is billed is not documented: only a cost above zero says so. */
function failed(task: Task, taskId: string | undefined): Outcome {
  const charge = chargeOf(task)
  return {
    kind: 'failed',
    failure: taskFailure(task, charge ? true : 'unknown'),
    ...(charge ? { cost: charge } : {}),
    ...(taskId ? { taskId } : {}),
  }
}

/** No task came into being, so nothing is billed unless the reply itself tells a cost. */
function refused(task: Task, error: VendorError, reply: Reply): Outcome {
  const charge = chargeOf(task)
  return { kind: 'failed', failure: refusedTask(error, charge !== undefined, reply), ...(charge ? { cost: charge } : {}) }
}

function pending(task: Task, next: Call, taskId: string | undefined): Outcome {
  const note = noteOn(task)
  return {
    kind: 'pending',
    next,
    afterMs: null,
    ...(task.progress === undefined ? {} : { progress: task.progress }),
    ...(taskId ? { taskId } : {}),
    ...(note ? { note } : {}),
  }
}

function noteOn(task: Task): string | null {
  if (task.status === undefined) return 'the task tells no status'
  if (stateOf(task.status) === 'unknown') return `unknown status "${printable(task.status).slice(0, 60)}"`
  return task.error ? 'the task tells an error while it is still under way' : null
}

const stillPending = (call: Call, taskId: string | undefined) =>
  ({ kind: 'pending', next: call, afterMs: null, ...(taskId ? { taskId } : {}) }) as const

const pollOf = (taskId: string): Call => ({ purpose: 'poll', method: 'GET', url: `${SUBMIT_PATH}/task/${taskId}`, memo: { taskId } })

function taskIdOf(call: Call): string | undefined {
  const memo: Json | undefined = call.memo
  const taskId = typeof memo === 'object' && memo !== null && 'taskId' in memo ? memo.taskId : undefined
  return typeof taskId === 'string' ? taskId : undefined
}

/** The cost, where it is above zero. */
function chargeOf(task: Task): VendorCost | undefined {
  const cost = costOf(task)
  return cost && /[1-9]/.test(cost.amount) ? cost : undefined
}

/**
 * `usage.cost`, "total cost in USD", a string. `usage.discount` stays in `raw` and is not subtracted: whether `cost` is already
 * net of it is not documented (2026-11-21). Something that is no amount counts as not told.
 */
function costOf(task: Task): VendorCost | undefined {
  const { cost, discount = null } = task.usage ?? {}
  if (cost === undefined) return undefined
  try {
    const amount = Usd.safeParse(usdFromDecimal(cost))
    return amount.success && !amount.data.startsWith('-') ? { amount: amount.data, raw: { cost, discount } } : undefined
  } catch {
    return undefined
  }
}
