import { exactNumber } from '#adapter-kit'
import type { Adapter, Billed, Call, Failure, Json, JsonObject, Order, Outcome, Reply, VendorCost, Warning } from '#contract'
import {
  BflOptions,
  costFromCredits,
  dialectOf,
  httpMeaning,
  isWorthAskingAgain,
  linkExpiry,
  moderationReasons,
  readCredits,
  readError,
  readSubmit,
  readTask,
  referenceField,
  retryAfterMs,
  seedDigits,
  statusMeaning,
  webUrl,
  withoutSecrets,
} from './wire.ts'
import type { Dialect, TaskReply } from './wire.ts'

/** Submit a task, then ask its polling URL until it ends. The cost comes with the submit, the image with the last poll. */
export const adapter: Adapter<BflOptions> = {
  options: BflOptions,

  translate(order) {
    const dialect = dialectOf(order.providerModel)
    const { taken, warnings } = optionsTaken(order, dialect)
    const body: JsonObject = {
      prompt: order.prompt,
      ...references(order, dialect),
      // 0 is the schema's own default and below its minimum; a size nobody asked for is left out.
      ...(order.width === undefined ? {} : { width: order.width }),
      ...(order.height === undefined ? {} : { height: order.height }),
      ...(order.seed === undefined ? {} : { seed: exactNumber(order.seed) }),
      ...upsampling(order, dialect),
      ...(order.guidance === undefined ? {} : { guidance: order.guidance }),
      ...(order.steps === undefined ? {} : { steps: order.steps }),
      ...(order.safetyTolerance === undefined ? {} : { safety_tolerance: order.safetyTolerance }),
      ...(order.outputFormat === undefined ? {} : { output_format: order.outputFormat }),
      ...taken,
      ...(order.webhook === undefined ? {} : { webhook_url: order.webhook.url, webhook_secret: order.webhook.secret }),
    }
    return { call: { purpose: 'submit', method: 'POST', url: `/v1/${encodeURIComponent(order.providerModel)}`, body }, warnings }
  },

  interpret(reply, call) {
    switch (call.purpose) {
      case 'submit':
        return isSuccess(reply) ? submitted(reply) : failed(reply, 'submit')
      case 'poll':
      case 'recover':
      case 'cancel':
      case 'account':
        return polled(reply, call)
    }
  },

  account: () => ({ purpose: 'account', method: 'GET', url: '/v1/credits' }),

  readBalance: (reply) => (isSuccess(reply) ? (costFromCredits(readCredits(reply.body))?.amount ?? null) : null),
}

const isSuccess = (reply: Reply): boolean => reply.status >= 200 && reply.status < 300

/** URLs go as they are, images as bare base64: the docs name no `data:` form. */
function references(order: Order<BflOptions>, dialect: Dialect): JsonObject {
  const payloads = order.references.map((reference) => reference.replace(/^data:[^,]*,/, ''))
  switch (dialect.references) {
    case 'input_image':
      return Object.fromEntries(payloads.map((payload, index) => [referenceField(index), payload]))
    case 'image_prompt':
      return payloads[0] === undefined ? {} : { image_prompt: payloads[0] }
  }
}

function upsampling({ promptUpsampling }: Order<BflOptions>, dialect: Dialect): JsonObject {
  if (promptUpsampling === undefined) return {}
  switch (dialect.upsampling) {
    case 'prompt_upsampling':
      return { prompt_upsampling: promptUpsampling }
    case 'disable_pup':
      return promptUpsampling ? {} : { disable_pup: true }
  }
}

/** The options this model takes, and a warning for each that it does not. */
function optionsTaken(order: Order<BflOptions>, dialect: Dialect): { readonly taken: JsonObject; readonly warnings: readonly Warning[] } {
  const taken: Record<string, Json> = {}
  const warnings: Warning[] = []
  for (const name of ['transparent_bg', 'input_image_blob_path'] as const) {
    const requested = order.options[name]
    if (requested === undefined) continue
    const reason = whyIgnored(name, order, dialect)
    if (reason === null) taken[name] = requested
    else warnings.push({ code: 'ignored_option', field: `provider_options.bfl.${name}`, requested, used: null, reason })
  }
  return { taken, warnings }
}

function whyIgnored(name: keyof BflOptions, order: Order<BflOptions>, dialect: Dialect): string | null {
  if (!dialect.options.includes(name)) return `${order.providerModel} does not take ${name}`
  const hasAlpha = order.outputFormat === 'png' || order.outputFormat === 'webp'
  return name === 'transparent_bg' && order.options.transparent_bg === true && !hasAlpha
    ? 'transparent_bg needs output_format png or webp: JPEG has no alpha channel'
    : null
}

/** The task's id and where to ask; with a webhook the reply has no polling URL, and the result is asked for by id. */
function submitted(reply: Reply): Outcome {
  const task = readSubmit(reply.body)
  const pollingUrl = webUrl(task?.polling_url) && task?.polling_url
  const url = pollingUrl ?? (task?.id === undefined ? null : `/v1/get_result?id=${encodeURIComponent(task.id.toWellFormed())}`)
  if (!task || !url) {
    const message = 'BFL accepted the request with a reply that names no task; it may have been bought'
    return { kind: 'failed', failure: failureOf(reply, { code: 'bad_reply', message, billed: 'unknown' }) }
  }
  const cost = costFromCredits(task.cost)
  return {
    kind: 'pending',
    next: {
      purpose: 'poll',
      method: 'GET',
      url,
      memo: { ...(task.id === undefined ? {} : { id: task.id }), ...(cost === undefined ? {} : { credits: cost.raw }) },
    },
    afterMs: null,
    ...(cost === undefined ? {} : { cost }),
    ...(task.id === undefined ? {} : { taskId: task.id }),
  }
}

/** What the submit told and the poll does not repeat. */
interface Known {
  readonly taskId?: string
  readonly cost?: VendorCost
}

function rememberedBy(call: Call): Known {
  const memo = call.memo
  if (typeof memo !== 'object' || memo === null || Array.isArray(memo)) return {}
  const { id, credits } = memo as JsonObject
  const cost = costFromCredits(credits)
  return { ...(typeof id === 'string' ? { taskId: id } : {}), ...(cost === undefined ? {} : { cost }) }
}

function polled(reply: Reply, call: Call): Outcome {
  const known = rememberedBy(call)
  const task = readTask(reply.body)
  const meaning = statusMeaning(task?.status)
  if (!isSuccess(reply) && meaning !== 'lost') {
    return isWorthAskingAgain(reply.status)
      ? { kind: 'pending', next: call, afterMs: retryAfterMs(reply) ?? null, ...known }
      : failed(reply, 'poll', known)
  }
  switch (meaning) {
    case 'pending':
      return { ...stillPending(call, known), ...(task?.progress === undefined ? {} : { progress: Math.abs(task.progress) }) }
    case 'ready':
      return ready(reply, task, known)
    case 'moderated':
      return moderated(reply, task, known)
    case 'failed': {
      // The docs' remedy is "check the error details", so it is a refusal of this task, not a call to buy again; no source says if it is charged.
      const said = readError(task?.details ?? null)
      const failure = { code: 'provider_rejected', message: 'BFL could not finish the task', billed: 'unknown' } as const
      return ended({ ...failure, provider_status: task?.status ?? null, provider_message: said.message }, known)
    }
    case 'lost':
      return lost(task?.status ?? reply.status, known)
    case 'unknown':
      return { ...stillPending(call, known), note: unknownNote(task) }
  }
}

const stillPending = (call: Call, known: Known) => ({ kind: 'pending', next: call, afterMs: null, ...known }) as const

/** Still pending, because a paid task is not given up for a word; the run's deadline ends it. */
const unknownNote = (task: TaskReply | null): string =>
  task?.status === undefined
    ? 'BFL answered a poll without a status'
    : `BFL told an undocumented status: ${withoutSecrets(task.status).slice(0, 60)}`

function ready(reply: Reply, task: TaskReply | null, known: Known): Outcome {
  const result = task?.result
  const sample = webUrl(result?.sample)
  if (!result?.sample || !sample) {
    const message = 'BFL finished the task and sent no link to the image'
    const failure = failureOf(reply, { code: 'bad_reply', message, billed: true })
    return { kind: 'failed', failure: { ...failure, provider_status: task?.status ?? null }, ...known }
  }
  const expiresAt = linkExpiry(sample)
  const seed = seedDigits(result.seed)
  return {
    kind: 'done',
    images: [
      {
        source: { kind: 'url', url: result.sample },
        ...(expiresAt === undefined ? {} : { expiresAt }),
        ...(seed === undefined ? {} : { seed }),
      },
    ],
    ...known,
    ...(result.prompt === undefined ? {} : { promptUsed: result.prompt }),
  }
}

/** Neither stage is charged: https://help.bfl.ai/articles/2916279050-why-did-my-request-fail, 2026-06-12. */
function moderated(reply: Reply, task: TaskReply | null, known: Known): Outcome {
  const stage = task?.status === 'Content Moderated' ? 'output' : 'request'
  const message =
    stage === 'output' ? 'BFL’s moderation withheld the finished image' : 'BFL’s moderation refused the prompt or a reference image'
  const reasons = task ? [...moderationReasons(task)] : []
  return ended({ code: 'moderated', message, billed: false, provider_status: task?.status ?? reply.status, stage, reasons }, known)
}

/** "The task ID does not exist or has expired": BFL gave us the id, so the task was there, and what became of it cannot be told. */
const lost = (status: number | string, known: Known): Outcome =>
  ended({ code: 'outcome_unknown', message: 'BFL no longer knows the task', billed: 'unknown', provider_status: status }, known)

/** A failure of a task. The cost told at submit stays out of it: it is what success would have cost, not what was charged. */
const ended = (failure: Failure, { taskId }: Known): Outcome => ({
  kind: 'failed',
  failure,
  ...(taskId === undefined ? {} : { taskId }),
})

/** A reply outside 200…299 that ends the attempt. A refused poll says nothing about the paid task behind it. */
function failed(reply: Reply, purpose: 'submit' | 'poll', known: Known = {}): Outcome {
  if (purpose === 'poll' && reply.status === 404) return lost(404, known)
  const { code, message, billedSubmit } = httpMeaning(reply.status)
  return ended(failureOf(reply, { code, message, billed: purpose === 'submit' ? billedSubmit : 'unknown' }), known)
}

function failureOf(reply: Reply, what: { readonly code: Failure['code']; readonly message: string; readonly billed: Billed }): Failure {
  const said = isSuccess(reply) ? { message: null, code: null } : readError(reply.body)
  const waitMs = retryAfterMs(reply)
  return {
    ...what,
    provider_status: reply.status,
    provider_code: said.code,
    provider_message: said.message,
    ...(waitMs === undefined ? {} : { retry_after_ms: waitMs }),
  }
}
