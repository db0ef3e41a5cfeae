import { exactNumber } from '#adapter-kit'
import type { Adapter, Call, Failure, Order, Outcome, OutputFormat, Reply, Usd, Warning } from '#contract'
import { firstOf, read, type Reading, usdOf } from './reading.ts'
import { refusal, refusalByStatus, refusalOfSubmit, refusalOfTask } from './refusal.ts'
import { finish, given, look, PATH, type Task, taskOf, waiting } from './task.ts'
import { RunwareOptions } from './wire.ts'

/**
 * Looks in a row that may tell nothing of a paid task before it counts as lost. "Not found" once proves nothing: the task
 * may not be listed yet.
 */
const MAX_EMPTY_LOOKS = 5

const FORMATS: Readonly<Record<OutputFormat, string>> = { jpeg: 'JPG', png: 'PNG', webp: 'WEBP' }

function translate(order: Order<RunwareOptions>): { readonly call: Call; readonly warnings: readonly Warning[] } {
  const { options, webhook } = order
  const settings = given({ promptUpsampling: order.promptUpsampling, safetyTolerance: order.safetyTolerance })
  const body = given({
    taskType: 'imageInference',
    taskUUID: order.taskId,
    model: order.providerModel,
    positivePrompt: order.prompt,
    width: order.width,
    height: order.height,
    inputs: order.references.length > 0 ? { referenceImages: [...order.references] } : undefined,
    seed: order.seed === undefined ? undefined : exactNumber(order.seed),
    numberResults: order.count > 1 ? order.count : undefined,
    outputFormat: order.outputFormat && FORMATS[order.outputFormat],
    outputQuality: order.outputQuality,
    CFGScale: order.guidance,
    steps: order.steps,
    providerSettings: Object.keys(settings).length > 0 ? { bfl: settings } : undefined,
    safety: options.safety && given(options.safety),
    ttl: options.ttl,
    webhookURL: webhook?.url,
    deliveryMethod: webhook ? 'async' : (options.deliveryMethod ?? 'sync'),
    includeCost: true,
  })
  const isOverruled = webhook !== undefined && options.deliveryMethod === 'sync'
  const warnings: readonly Warning[] = isOverruled
    ? [
        {
          code: 'ignored_option',
          field: 'provider_options.runware.deliveryMethod',
          requested: 'sync',
          used: 'async',
          reason: 'the result is announced by webhook, so the connection is not held open for it',
        },
      ]
    : []
  return { call: { purpose: 'submit', method: 'POST', url: PATH, body: [body] }, warnings }
}

/**
 * The reply to a submit. Wherever it leaves open what was bought (garbage, an unexplained 5xx, results missing, our task id
 * already taken), the task is asked for by its id, which is ours, instead of giving it up.
 */
function interpretSubmit(reply: Reply, task: Task): Outcome {
  const reading = read(reply, task.taskUUID)
  const { images, errors, open } = reading ?? { images: [], errors: [], open: [] }
  const ask = (note: string): Outcome => ({
    kind: 'pending',
    next: look(task, 'recover', 0, reading?.isSingle ? [] : images),
    afterMs: null,
    taskId: task.taskUUID,
    note,
  })
  if (images.length >= task.numberResults || (images.length > 0 && errors.length > 0 && open.length === 0)) {
    return finish(
      task,
      images,
      errors.map((error) => refusal(error, reply.status)),
    )
  }
  if (reading !== null && open.length > 0) return waiting(task, reading)
  if (images.length > 0) return ask(`${images.length} of ${task.numberResults} results were delivered`)
  if (errors.length === 0) {
    const failure = refusalByStatus(reply)
    return failure ? finish(task, [], [failure]) : ask(`the submit was answered without a result (HTTP ${reply.status})`)
  }
  const failures = errors.map((error) => refusalOfSubmit(error, reply))
  const settled = failures.filter((failure) => failure !== null)
  if (settled.length === failures.length) return finish(task, [], settled)
  return ask(`the submit was answered with "${errors[0]?.code ?? 'an error without a code'}" (HTTP ${reply.status})`)
}

/** The reply to a look at a task that was, or may have been, bought. */
function interpretLook(reply: Reply, call: Call): Outcome {
  const task = taskOf(call)
  const again: Outcome = { kind: 'pending', next: call, afterMs: null, taskId: task.taskUUID }
  if (reply.status === 429 || reply.status === 408 || reply.status >= 500) {
    return { ...again, afterMs: refusalByStatus(reply)?.retry_after_ms ?? null, note: `the look was answered with HTTP ${reply.status}` }
  }
  const reading = read(reply, task.taskUUID, task.items)
  if (reading === null) return lookedInVain(task, call, reply, null, [])
  const failures = reading.errors.flatMap((error) => refusalOfTask(error, reply) ?? [])
  const told = reading.images.length + failures.length
  if (reading.images.length >= task.numberResults) return finish(task, reading.images, failures)
  if (reading.open.length > 0) return waiting(task, reading)
  if (told >= task.numberResults || (reading.images.length === 0 && failures.length > 0)) return finish(task, reading.images, failures)
  return reading.isSingle ? again : lookedInVain(task, call, reply, reading, failures)
}

/** Nothing new of a task: look again, a few times; then what is missing is lost, and may have been billed. */
function lookedInVain(task: Task, call: Call, reply: Reply, reading: Reading | null, failures: readonly Failure[]): Outcome {
  const images = reading?.images ?? task.items
  const looks = task.looks + 1
  const refused = reading === null || reading.errors.length === 0 ? refusalByStatus(reply) : null
  if (refused?.code === 'provider_unauthorized' || refused?.code === 'insufficient_credit') {
    return finish(task, images, [...failures, { ...refused, billed: 'unknown' }])
  }
  const code = reading?.errors[0]?.code ?? null
  const said = code ?? `HTTP ${reply.status} without a result`
  if (looks >= MAX_EMPTY_LOOKS) {
    const lost: Failure = {
      code: 'outcome_unknown',
      message: `Runware: ${looks} looks did not find what became of the task (${said})`,
      billed: 'unknown',
      provider_status: reply.status,
      provider_code: code,
      provider_message: null,
    }
    return finish(task, images, [...failures, lost])
  }
  const next = look(task, call.purpose === 'poll' ? 'poll' : 'recover', looks, images)
  return {
    kind: 'pending',
    next,
    afterMs: null,
    taskId: task.taskUUID,
    note: `look ${looks} of ${MAX_EMPTY_LOOKS} found nothing (${said})`,
  }
}

function interpret(reply: Reply, call: Call): Outcome {
  switch (call.purpose) {
    case 'submit':
      return interpretSubmit(reply, taskOf(call))
    case 'poll':
    case 'recover':
      return interpretLook(reply, call)
    case 'cancel':
    case 'account':
      return {
        kind: 'failed',
        failure: {
          code: 'internal',
          message: 'Runware: the reply to an account call is no task',
          billed: false,
          provider_status: reply.status,
        },
      }
  }
}

/** Asks by our own task id, so a submit whose reply was lost is found again. https://runware.ai/docs/platform/task-polling, 2026-11-21. */
const recover = (submit: Call): Call | null => (submit.purpose === 'submit' ? look(taskOf(submit), 'recover', 0, []) : null)

/** https://runware.ai/docs/utilities/account-management, 2026-11-21. */
const account = (id: string): Call => ({
  purpose: 'account',
  method: 'POST',
  url: PATH,
  body: [{ taskType: 'accountManagement', taskUUID: id, operation: 'getDetails' }],
})

const readBalance = (reply: Reply): Usd | null => usdOf(firstOf(reply)?.['balance'])

export const adapter: Adapter<RunwareOptions> = { options: RunwareOptions, translate, interpret, recover, account, readBalance }
