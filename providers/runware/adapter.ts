import { exactNumber, isSuccess, usdOf } from '#adapter-kit'
import type { Adapter, Call, Order, Outcome, OutputFormat, Reply, Usd, Warning } from '#contract'
import manifest from './manifest.json' with { type: 'json' }
import { firstOf, read } from './reading.ts'
import { failureByStatus, failureOfError, failureOfSubmit, failureOfTask, refusalOfPoll } from './refusal.ts'
import { finish, given, knownOf, PATH, pollOf, type Task, taskOf, waiting } from './task.ts'
import { RunwareOptions } from './wire.ts'

const FORMATS: Readonly<Record<OutputFormat, string>> = { jpeg: 'JPG', png: 'PNG', webp: 'WEBP' }

function translate(order: Order<RunwareOptions>): { readonly call: Call; readonly warnings: readonly Warning[] } {
  const { options, webhook } = order
  const settings = given({ promptUpsampling: order.promptUpsampling, safetyTolerance: order.safetyTolerance })
  const body = given({
    taskType: 'imageInference',
    taskUUID: order.taskId,
    model: order.providerModel,
    positivePrompt: order.prompt,
    // An offer of shapes and resolutions has published pixels for each, and these are what is said.
    width: order.width ?? order.tier?.pixels?.width,
    height: order.height ?? order.tier?.pixels?.height,
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
          field: `provider_options.${manifest.id}.deliveryMethod`,
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
  const reading = read(reply, task.taskUUID) ?? { images: [], errors: [], open: [], isSingle: false }
  const { images, errors, open } = reading
  // A webhook's body to a submit is not believed: only the poll's own reply is.
  const ask = (note: string) => waiting(task, { ...reading, images: reading.isSingle ? [] : images, errors: [] }, reply, 'recover', note)
  if (images.length >= task.numberResults || (images.length > 0 && errors.length > 0 && open.length === 0)) {
    return finish(
      task,
      images,
      errors.map((error) => failureOfError(error, reply.status)),
    )
  }
  if (open.length > 0) return waiting(task, reading, reply)
  if (images.length > 0) return ask(`${images.length} of ${task.numberResults} results were delivered`)
  if (errors.length === 0) {
    const failure = failureByStatus(reply)
    return failure ? finish(task, [], [failure]) : ask(`the submit was answered without a result (HTTP ${reply.status})`)
  }
  const failures = errors.map((error) => failureOfSubmit(error, reply))
  const settled = failures.filter((failure) => failure !== null)
  if (settled.length === failures.length) return finish(task, [], settled)
  return ask(`the submit was answered with "${errors[0]?.code ?? 'an error without a code'}" (HTTP ${reply.status})`)
}

/** The reply to a poll of a task that was, or may have been, bought. */
function interpretPoll(reply: Reply, call: Call): Outcome {
  const task = taskOf(call)
  const reading = read(reply, task.taskUUID, task.items)
  const refused = (): Outcome => ({
    kind: 'refused',
    failure: refusalOfPoll(reading?.errors ?? [], reply),
    ...knownOf(task, task.items),
  })
  if (reading === null) return refused()
  const { images, errors, open, isSingle } = reading
  const failures = errors.flatMap((error) => failureOfTask(error, reply) ?? [])
  if (images.length >= task.numberResults) return finish(task, images, failures)
  if (open.length > 0) return waiting(task, reading, reply)
  const isEnd = images.length + failures.length >= task.numberResults || (images.length === 0 && failures.length > 0)
  if (isEnd) return finish(task, images, failures)
  // One result of several, brought by a webhook: the poll's own reply will have it too.
  if (isSingle && isSuccess(reply) && errors.length === 0)
    return { kind: 'pending', next: call, afterMs: null, ...knownOf(task, task.items) }
  // Images that are new, of which some are still missing.
  if (images.length > task.items.length) return waiting(task, reading, reply, call.purpose === 'poll' ? 'poll' : 'recover')
  return refused()
}

function interpret(reply: Reply, call: Call): Outcome {
  switch (call.purpose) {
    case 'submit':
      return interpretSubmit(reply, taskOf(call))
    case 'poll':
    case 'recover':
      return interpretPoll(reply, call)
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
const recover = (submit: Call): Call | null => (submit.purpose === 'submit' ? pollOf(taskOf(submit), 'recover', []) : null)

/** https://runware.ai/docs/utilities/account-management, 2026-11-21. */
const account = (id: string): Call => ({
  purpose: 'account',
  method: 'POST',
  url: PATH,
  body: [{ taskType: 'accountManagement', taskUUID: id, operation: 'getDetails' }],
})

const readBalance = (reply: Reply): Usd | null => usdOf(firstOf(reply)?.['balance'])

export const adapter: Adapter<RunwareOptions> = { options: RunwareOptions, translate, interpret, recover, account, readBalance }
