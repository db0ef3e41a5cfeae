import {
  costOf,
  exactNumber,
  imageSource,
  isBodyOfTask,
  isSuccess,
  retryAfterMs,
  saidInsteadOfLink,
  withoutRepeats,
  withoutSecrets,
} from '#adapter-kit'
import type { Adapter, Call, Json, Order, Outcome, Reply, VendorCost, Warning } from '#contract'
import { badReply, pollRefusal, refusedTask, submitFailure, taskFailure } from './failures.ts'
import manifest from './manifest.json' with { type: 'json' }
import { dialectOf, readTask, stateOf, VtrixOptions, type Task, type VendorError } from './wire.ts'

const OPTION = `provider_options.${manifest.id}.safety_tolerance`
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
      warnings: [{ code: 'ignored_option', field: OPTION, requested: option, used: asked, reason }],
    }
  }
  const reason = `${OPTION} is stricter; the stricter of the two is used`
  return { value: insisted, warnings: [{ code: 'adjusted', field: 'safety_tolerance', requested: asked, used: insisted, reason }] }
}

function readSubmit(reply: Reply): Outcome {
  const task = readTask(reply.body)
  // Whatever its status, a reply that names a task, says how it stands and has no error is no refusal.
  const isAccepted = task?.id !== undefined && !task.error && ['pending', 'completed'].includes(stateOf(task.status))
  if (!isSuccess(reply) && !isAccepted) return { kind: 'failed', failure: submitFailure(reply) }
  if (!task) return { kind: 'failed', failure: badReply('Vtrix answered the submit with something that is not a task', 'unknown', reply) }
  // The vendor's client takes an error without an id as a failed submit, whatever the HTTP status.
  if (task.id === undefined && task.error) return refused(task, task.error, reply)
  // Gateways of the same family answer fast tasks at once; then there is nothing left to poll.
  const end = readEnd(task, task.id, reply)
  if (end) return end
  if (task.id === undefined)
    return { kind: 'failed', failure: badReply('Vtrix accepted the submit with a reply that names no task', 'unknown', reply) }
  return pending(task, pollOf(task.id), task.id, reply)
}

function readPoll(reply: Reply, call: Call): Outcome {
  const taskId = taskIdOf(call)
  const task = readTask(reply.body)
  // The vendor's client stops at an error status whose body is a failed task, so the body is read before the HTTP status.
  if (task && isBodyOfTask(reply, task.id, taskId)) {
    const end = readEnd(task, taskId, reply)
    if (end) return end
    if (stateOf(task.status) === 'pending' || (isSuccess(reply) && task.status !== undefined)) return pending(task, call, taskId, reply)
  }
  return { kind: 'refused', failure: pollRefusal(reply), ...(taskId ? { taskId } : {}) }
}

/** The end of a task, or null while it goes on. */
function readEnd(task: Task, taskId: string | undefined, reply: Reply): Outcome | null {
  switch (stateOf(task.status)) {
    case 'completed':
      // At gateways of the same family a completed task may still carry an error; it has not succeeded then.
      return task.error ? failed(task, taskId, reply) : done(task, taskId, reply)
    case 'failed':
      return failed(task, taskId, reply)
    case 'unknown':
      // An error is "only present when status is failed": https://doc.vtrix.ai/docs/api/blackforestlabs/flux-2-pro, 2026-11-21.
      // Outside 200…299, or in a body that is no task, it may be about the call.
      return task.error && isSuccess(reply) && (task.status ?? task.id) !== undefined ? failed(task, taskId, reply) : null
    case 'pending':
      return null
  }
}

function done(task: Task, taskId: string | undefined, reply: Reply): Outcome {
  const cost = costOfTask(task)
  const known = { ...(cost ? { cost } : {}), ...(taskId ? { taskId } : {}), ...task.facts }
  const sources = task.links.flatMap((link) => imageSource(link, reply.url) ?? [])
  if (sources.length === 0) {
    const billed = chargeOf(task) ? true : 'unknown'
    const message = `Vtrix’s task is completed without an image: where its link belongs there is ${saidInsteadOfLink(task.links[0])}`
    return { kind: 'failed', failure: badReply(message, billed, reply), ...known }
  }
  const distinct = withoutRepeats(sources, (source) => [source.kind === 'url' ? source.url : source.data])
  // No schema of this vendor has a seed in its results, so there is none here; the request's own is not the vendor's word.
  return { kind: 'done', images: distinct.map((source) => ({ source })), ...known }
}

/** Whether a failed task is billed is not documented: only a cost above zero says so. */
function failed(task: Task, taskId: string | undefined, reply: Reply): Outcome {
  const cost = costOfTask(task)
  return {
    kind: 'failed',
    failure: taskFailure(task, chargeOf(task) ? true : 'unknown', reply),
    ...(cost ? { cost } : {}),
    ...(taskId ? { taskId } : {}),
    ...task.facts,
  }
}

/** No task came into being, so nothing is billed unless the reply itself says a cost. */
function refused(task: Task, error: VendorError, reply: Reply): Outcome {
  const charge = chargeOf(task)
  return { kind: 'failed', failure: refusedTask(error, charge !== undefined, reply), ...(charge ? { cost: charge } : {}), ...task.facts }
}

function pending(task: Task, next: Call, taskId: string | undefined, reply: Reply): Outcome {
  const note = noteOn(task)
  const cost = costOfTask(task)
  return {
    kind: 'pending',
    next,
    afterMs: retryAfterMs(reply.headers),
    ...(task.progress === undefined ? {} : { progress: task.progress }),
    ...(cost ? { cost } : {}),
    ...(taskId ? { taskId } : {}),
    ...task.facts,
    ...(note ? { note } : {}),
  }
}

function noteOn(task: Task): string | null {
  if (task.status === undefined) return 'the task has no status'
  if (stateOf(task.status) === 'unknown') return `unknown status "${withoutSecrets(task.status).slice(0, 60)}"`
  return task.error ? 'the task has an error while it is still under way' : null
}

const pollOf = (taskId: string): Call => ({ purpose: 'poll', method: 'GET', url: `${SUBMIT_PATH}/task/${taskId}`, memo: { taskId } })

function taskIdOf(call: Call): string | undefined {
  const memo: Json | undefined = call.memo
  const taskId = typeof memo === 'object' && memo !== null && 'taskId' in memo ? memo.taskId : undefined
  return typeof taskId === 'string' ? taskId : undefined
}

/**
 * `usage.cost`, "total cost in USD", a string; 0 is a cost. `usage.discount` stays in `raw` and is not subtracted: whether `cost` is
 * already net of it is not documented (2026-11-21).
 */
function costOfTask({ usage: { cost, discount = null } = {} }: Task): VendorCost | undefined {
  return cost === undefined ? undefined : costOf(cost, { raw: { cost, discount } })
}

/** The cost, where it is above zero. */
function chargeOf(task: Task): VendorCost | undefined {
  const cost = costOfTask(task)
  return cost && 'amount' in cost && /[1-9]/.test(cost.amount) ? cost : undefined
}
