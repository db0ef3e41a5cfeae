import {
  costOf,
  digitsOf,
  exactNumber,
  failureOf,
  imageSource,
  isBodyOfTask,
  isCharge,
  isSuccess,
  pollRefusal,
  retryAfterMs,
} from '#adapter-kit'
import { saidInsteadOfLink, submitFailure, usdOf, webUrl, withoutSecrets } from '#adapter-kit'
import type { Adapter, Call, Failure, Json, JsonObject, Outcome, Reply, VendorCost } from '#contract'
import { optionsTaken, references, shape, upsampling } from './parameters.ts'
import {
  BflOptions,
  dialectOf,
  factsOf,
  linkExpiry,
  moderationReasons,
  readCredits,
  readSubmit,
  readTask,
  statusMeaning,
  wordsOf,
} from './wire.ts'
import type { TaskReply } from './wire.ts'

/** Submit a task, then poll its polling URL until it ends. The cost comes with the submit and, settled, with the last poll, as the image does. */
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
      ...shape(order, dialect),
      ...(order.seed === undefined ? {} : { seed: exactNumber(order.seed) }),
      ...upsampling(order, dialect),
      ...(order.guidance === undefined ? {} : { guidance: order.guidance }),
      ...(order.steps === undefined ? {} : { steps: order.steps }),
      ...(order.safetyTolerance === undefined ? {} : { safety_tolerance: order.safetyTolerance }),
      ...(order.outputFormat === undefined ? {} : { output_format: order.outputFormat }),
      ...(order.background === 'transparent' ? { transparent_bg: true } : {}),
      ...taken,
      ...(order.webhook === undefined ? {} : { webhook_url: order.webhook.url, webhook_secret: order.webhook.secret }),
    }
    return { call: { purpose: 'submit', method: 'POST', url: `/v1/${encodeURIComponent(order.providerModel)}`, body }, warnings }
  },

  interpret: (reply, call) => (call.purpose === 'submit' ? submitted(reply) : polled(reply, call)),

  account: () => ({ purpose: 'account', method: 'GET', url: '/v1/credits' }),

  readBalance: (reply) => (isSuccess(reply) ? usdOf(readCredits(reply.body), CREDITS) : null),
}

/** BFL's credits are US cents (https://docs.bfl.ai/quick_start/pricing.md, 2026-11-21). */
const CREDITS = -2

const costFromCredits = (credits: Json | undefined): VendorCost | undefined => costOf(credits, { shift: CREDITS })

/** The task's id and where to poll; with a webhook the reply has no polling URL, and the result is asked for by id. */
function submitted(reply: Reply): Outcome {
  const task = readSubmit(reply.body)
  if (!isSuccess(reply)) {
    const words = wordsOf(reply)
    // Whatever its status, a reply that names a task and no fault is no refusal.
    if (task?.id === undefined || words.message !== null) return { kind: 'failed', failure: submitFailure(reply, words) }
  }
  const resultById = task?.id === undefined ? null : `/v1/get_result?id=${encodeURIComponent(task.id.toWellFormed())}`
  const url = webUrl(task?.polling_url, reply.url)?.href ?? resultById
  if (!task || !url) {
    const message = 'BFL accepted the request with a reply that names no task; it may have been bought'
    return { kind: 'failed', failure: failureOf(reply, {}, { code: 'bad_reply', message, billed: 'unknown' }) }
  }
  const cost = costFromCredits(task.cost)
  const facts = factsOf(task)
  const memo: JsonObject = {
    ...(task.id === undefined ? {} : { id: task.id }),
    ...(cost === undefined ? {} : { credits: cost.raw }),
    ...facts,
  }
  return {
    kind: 'pending',
    next: { purpose: 'poll', method: 'GET', url, memo },
    afterMs: null,
    ...(cost === undefined ? {} : { cost }),
    ...(task.id === undefined ? {} : { taskId: task.id }),
    ...facts,
  }
}

/** What the submit said and a poll does not repeat. */
interface Known {
  readonly taskId?: string
  readonly cost?: VendorCost
  readonly vendor?: JsonObject
}

function rememberedBy(call: Call): Known {
  const memo = call.memo
  if (typeof memo !== 'object' || memo === null || Array.isArray(memo)) return {}
  const { id, credits, vendor } = memo as JsonObject
  const cost = costFromCredits(credits)
  return {
    ...(typeof id === 'string' ? { taskId: id } : {}),
    ...(cost === undefined ? {} : { cost }),
    ...(typeof vendor === 'object' && vendor !== null && !Array.isArray(vendor) ? { vendor: vendor as JsonObject } : {}),
  }
}

function polled(reply: Reply, call: Call): Outcome {
  const remembered = rememberedBy(call)
  const task = readTask(reply.body)
  // BFL may answer a failed task with 503 and its normal body, so the body's status word is read before the HTTP status.
  const meaning = task && isBodyOfTask(reply, task.id, remembered.taskId) ? statusMeaning(task.status) : null
  // What is settled at the end wins over what was said at the submit.
  const settled = meaning === null ? undefined : costFromCredits(task?.cost)
  const known = settled === undefined ? remembered : { ...remembered, cost: settled }
  switch (meaning) {
    case 'pending':
      return { ...stillPending(reply, call, known), ...(task?.progress === undefined ? {} : { progress: Math.abs(task.progress) }) }
    case 'ready':
      return ready(reply, call, task, known)
    case 'moderated':
      return ended(moderated(reply, task, settled !== undefined && isCharge(settled)), known)
    case 'failed':
      return ended(unfinished(reply, task), known)
    case 'lost': {
      // "The task ID does not exist or has expired": perhaps it is not listed yet, perhaps another region answered.
      const failure = failureOf(
        reply,
        {},
        { code: 'outcome_unknown', message: 'BFL does not know the task it accepted', billed: 'unknown' },
      )
      return { kind: 'refused', failure: { ...failure, provider_status: task?.status ?? reply.status }, ...known }
    }
    case 'unknown':
      if (isSuccess(reply) && task?.status !== undefined) return { ...stillPending(reply, call, known), note: unknownNote(task.status) }
      return { kind: 'refused', failure: pollRefusal(reply, wordsOf(reply)), ...known }
    case null:
      return { kind: 'refused', failure: pollRefusal(reply, wordsOf(reply)), ...known }
  }
}

const stillPending = (reply: Reply, call: Call, known: Known) =>
  ({ kind: 'pending', next: call, afterMs: retryAfterMs(reply.headers), ...known }) as const

/** Still pending, because a paid task is not given up for a word; the deadline ends it. */
const unknownNote = (status: string): string => `BFL answered with an undocumented status: ${withoutSecrets(status).slice(0, 60)}`

/** The cost is kept; whether a task without an image is charged, `billed` says. */
const ended = (failure: Failure, known: Known): Outcome => ({ kind: 'failed', failure, ...known })

function ready(reply: Reply, call: Call, task: TaskReply | null, known: Known): Outcome {
  const result = task?.result
  const source = imageSource(result?.sample, reply.url ?? call.url)
  if (source === null) {
    const came = saidInsteadOfLink(result?.sample)
    const message = `BFL finished the task, and where the link to the image belongs there is ${came}`
    const failure = failureOf(reply, {}, { code: 'bad_reply', message, billed: true })
    return ended({ ...failure, provider_status: task?.status ?? null }, known)
  }
  const expiresAt = source.kind === 'url' ? linkExpiry(new URL(source.url)) : undefined
  const seed = digitsOf(result?.seed)
  return {
    kind: 'done',
    images: [{ source, ...(expiresAt === undefined ? {} : { expiresAt }), ...(seed === undefined ? {} : { seed }) }],
    ...known,
    ...(result?.prompt === undefined ? {} : { promptUsed: result.prompt }),
  }
}

/** Neither stage is charged (https://help.bfl.ai/articles/2916279050-why-did-my-request-fail, 2026-06-12), unless this very reply names a charge. */
function moderated(reply: Reply, task: TaskReply | null, isCharged: boolean): Failure {
  const stage = task?.status === 'Content Moderated' ? 'output' : 'request'
  const message =
    stage === 'output' ? 'BFL’s moderation withheld the finished image' : 'BFL’s moderation refused the prompt or a reference image'
  const reasons = task ? [...moderationReasons(task)] : []
  return { code: 'moderated', message, billed: isCharged, provider_status: task?.status ?? reply.status, stage, reasons }
}

/** The docs' remedy is "check the error details", so it is a refusal of this task, not a call to buy again; no source says if it is charged. */
const unfinished = (reply: Reply, task: TaskReply | null): Failure => ({
  code: 'provider_rejected',
  message: 'BFL could not finish the task',
  billed: 'unknown',
  provider_status: task?.status ?? reply.status,
  provider_message: wordsOf({ ...reply, body: (task?.details ?? null) as Json }).message,
})
