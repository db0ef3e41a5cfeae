import { z } from 'zod'
import { valueAt, valuesAt } from '#contract'
import type { Call, Failure, ImageRef, Json, JsonObject, Outcome, QueueShape, Reply, TaskState, VendorCost } from '#contract'
import { costOf } from './amount.ts'
import { digitsOf } from './digits.ts'
import { failureOf, isBodyOfTask, isSuccess, pollRefusal, submitFailure, type VendorWords } from './http-status.ts'
import { imageSource, saidInsteadOfLink, webUrl, withoutRepeats } from './image-source.ts'
import { retryAfterMs } from './retry-after.ts'
import { withoutSecrets } from './scrub.ts'

/** What a poll remembers: the addresses the vendor gave, and what it said of the task. */
const Memo = z.looseObject({
  taskId: z.string().optional().catch(undefined),
  poll: z.string().optional().catch(undefined),
  result: z.string().optional().catch(undefined),
  cancel: z.string().optional().catch(undefined),
  /** This call asks for the result of a task that is over. */
  isResult: z.boolean().optional().catch(undefined),
  /** The address for callbacks by which our task is known in a list. */
  ours: z.string().optional().catch(undefined),
  cost: z.looseObject({ raw: z.unknown() }).optional().catch(undefined),
})
type Memo = z.infer<typeof Memo>

export const memoOf = ({ memo }: Call): Memo => Memo.safeParse(memo).data ?? {}

export const pollCall = (url: string, memo: Memo): Call => ({ purpose: 'poll', method: 'GET', url, memo: memo as JsonObject })

/** Said again in every outcome: what the vendor gave is kept, whatever comes later. */
const kept = ({ taskId, cost }: Memo) => ({
  ...(taskId === undefined ? {} : { taskId }),
  ...(cost === undefined ? {} : { cost: cost as unknown as VendorCost }),
})

interface Reading {
  readonly title: string
  readonly shape: QueueShape
  readonly reply: Reply
  readonly memo: Memo
}

export function readQueueReply(title: string, shape: QueueShape, reply: Reply, call: Call): Outcome {
  const memo = memoOf(call)
  switch (call.purpose) {
    case 'submit':
      return readSubmit({ title, shape, reply, memo })
    case 'recover':
      return readListing({ title, shape, reply, memo })
    case 'cancel':
      return readCancel({ title, shape, reply, memo })
    case 'poll':
    case 'account':
      return memo.isResult === true ? readResult({ title, shape, reply, memo }) : readPoll({ title, shape, reply, memo }, call)
  }
}

function readSubmit(reading: Reading): Outcome {
  const { title, reply, shape } = reading
  const words = wordsOf(reading)
  const memo = acceptedIn(reading)
  // Whatever its status, a reply that names a task and where to go on with it is no refusal.
  if (!isSuccess(reply) && (memo.taskId === undefined || memo.poll === undefined)) {
    if (words.code == null || !shape.errors.moderated.includes(words.code)) return { kind: 'failed', failure: submitFailure(reply, words) }
    return { kind: 'failed', failure: moderated(reading, false) }
  }
  const task = { ...reading, memo }
  const end = endOf(task)
  if (end) return end
  if (memo.poll === undefined) {
    const message = `${title} accepted the submit with a reply that names no address to go on with`
    return { kind: 'failed', failure: failureOf(reply, words, { code: 'bad_reply', message, billed: 'unknown' }), ...kept(memo) }
  }
  return pending(task, pollCall(memo.poll, memo))
}

/** The addresses of a task, as its body names them; those of `memo` where it does not. */
function acceptedIn({ shape: { accepted, ...shape }, reply, memo }: Reading, body: Json = reply.body): Memo {
  const address = (pointer: string | undefined): string | undefined => {
    const text = pointer === undefined ? undefined : valueAt(body, pointer)
    return typeof text === 'string' ? webUrl(text, reply.url)?.href : undefined
  }
  const id = valueAt(body, accepted.id)
  const [poll, result, cancel] = [address(accepted.poll), address(accepted.result), address(accepted.cancel)]
  const cost = costIn(shape, reply, body)
  return {
    ...memo,
    ...(typeof id === 'string' && id !== '' && { taskId: id }),
    ...(poll !== undefined && { poll }),
    ...(result !== undefined && { result }),
    ...(cancel !== undefined && { cancel }),
    ...(cost !== undefined && { cost: { ...cost } }),
  }
}

function readPoll(reading: Reading, call: Call): Outcome {
  const { reply, shape, memo } = reading
  const state = stateIn(shape, reply.body)
  if (isOfTask(reading)) {
    const end = endOf(reading)
    if (end) return end
    const word = valueAt(reply.body, shape.status.at)
    if (state === 'pending' || (isSuccess(reply) && typeof word === 'string')) return pending(reading, call)
  }
  return { kind: 'refused', failure: pollRefusal(reply, wordsOf(reading)), ...kept(memo) }
}

function isOfTask({ reply, shape, memo }: Reading): boolean {
  const id = valueAt(reply.body, shape.accepted.id)
  return isBodyOfTask(reply, typeof id === 'string' ? id : undefined, memo.taskId)
}

/** The end of a task, or the call for its result; null while it goes on, and where nothing is said. */
function endOf(reading: Reading, body: Json = reading.reply.body): Outcome | null {
  const { shape, reply, title, memo } = reading
  switch (stateIn(shape, body)) {
    case 'done': {
      if (shape.accepted.result === undefined) return delivered(reading, body)
      const { result } = acceptedIn(reading, body)
      if (result === undefined) return null
      return { kind: 'pending', next: pollCall(result, { ...memo, result, isResult: true }), afterMs: 0, ...kept(memo) }
    }
    case 'failed':
      return failedTask(reading)
    case 'moderated':
      return { kind: 'failed', failure: moderated(reading, shape.errors.billed), ...keptWith(reading, body) }
    case 'canceled': {
      const message = `the task was canceled at ${title}`
      const failure = failureOf(reply, wordsOf(reading), { code: 'canceled', message, billed: shape.errors.billed })
      return { kind: 'failed', failure, ...keptWith(reading, body) }
    }
    case 'pending':
    case undefined:
      return null
  }
}

const stateIn = ({ status: { at, words } }: QueueShape, body: Json): TaskState | undefined => {
  const word = valueAt(body, at)
  return typeof word === 'string' && Object.hasOwn(words, word) ? words[word] : undefined
}

/** Statuses that say something of whoever asks, and nothing of the task. */
const ABOUT_CALLER = new Set([401, 402, 403, 404, 408, 429])

/** The answer at the address of the result: a task that is over may have failed, which its body says by a code. */
function readResult(reading: Reading): Outcome {
  const { reply, memo } = reading
  if (isSuccess(reply) && hasSomething(reading)) return delivered(reading, reply.body)
  const words = wordsOf(reading)
  if (words.code != null && !ABOUT_CALLER.has(reply.status)) return failedTask(reading)
  return { kind: 'refused', failure: pollRefusal(reply, words), ...kept(memo) }
}

/** Where the images belong there is something, be it of use or not. */
const hasSomething = ({ shape: { images }, reply }: Reading): boolean =>
  images.some((pointer) => valuesAt(reply.body, pointer).some((value) => value !== undefined && value !== null))

function failedTask(reading: Reading): Outcome {
  const { shape, title, reply } = reading
  const words = wordsOf(reading)
  const { billed, moderated: codes, moderated_texts: texts } = shape.errors
  const said = texts.find(({ text }) => words.message?.includes(text))
  if (said !== undefined || (words.code != null && codes.includes(words.code)))
    return { kind: 'failed', failure: moderated(reading, billed, said), ...keptWith(reading) }
  const message = `${title}’s task failed`
  return { kind: 'failed', failure: failureOf(reply, words, { code: 'provider_rejected', message, billed }), ...keptWith(reading) }
}

function moderated(reading: Reading, billed: Failure['billed'], { stage }: Pick<Failure, 'stage'> = { stage: 'request' }): Failure {
  const what = stage === 'output' ? 'withheld the finished image' : `refused the request${stage === undefined ? ' or its result' : ''}`
  const message = `${reading.title}’s moderation ${what}`
  return { ...failureOf(reading.reply, wordsOf(reading), { code: 'moderated', message, billed }), ...(stage !== undefined && { stage }) }
}

const keptWith = ({ memo, shape, reply }: Reading, body: Json = reply.body) => {
  const cost = costIn(shape, reply, body)
  return { ...kept(memo), ...(cost === undefined ? {} : { cost }) }
}

function delivered(reading: Reading, body: Json): Outcome {
  const { title, shape, reply } = reading
  const images = imagesIn(reading, body)
  const said = keptWith(reading, body)
  if (images.length === 0) {
    const there = saidInsteadOfLink(shape.images.map((pointer) => valuesAt(body, pointer)[0]).find((value) => value !== undefined))
    const message = `${title}’s task is done without an image: where its link belongs there is ${there}`
    return { kind: 'failed', failure: failureOf(reply, wordsOf(reading), { code: 'bad_reply', message, billed: 'unknown' }), ...said }
  }
  const prompt = shape.prompt_used === undefined ? undefined : valueAt(body, shape.prompt_used)
  const distinct = withoutRepeats(images, ({ source }) => [source.kind === 'url' ? source.url : source.data])
  return { kind: 'done', images: distinct, ...said, ...(typeof prompt === 'string' && prompt !== '' && { promptUsed: prompt }) }
}

function imagesIn({ shape, reply }: Reading, body: Json): readonly ImageRef[] {
  const seed = digitsOf(shape.seed === undefined ? undefined : valueAt(body, shape.seed))
  const flags = shape.flagged === undefined ? [] : valuesAt(body, shape.flagged)
  for (const pointer of shape.images) {
    const found = valuesAt(body, pointer).flatMap((value, index): readonly ImageRef[] => {
      const source = typeof value === 'string' ? imageSource(value, reply.url) : null
      if (source === null) return []
      return [{ source, ...(seed !== undefined && { seed }), ...(flags[index] === true && { flagged: true }) }]
    })
    if (found.length > 0) return found
  }
  return []
}

function costIn({ cost }: Pick<QueueShape, 'cost'>, reply: Reply, body: Json): VendorCost | undefined {
  if (cost === undefined) return undefined
  const value =
    cost.header !== undefined ? reply.headers[cost.header] : cost.pointer === undefined ? undefined : valueAt(body, cost.pointer)
  if (cost.unit !== 'units') return costOf(value, { shift: cost.unit === 'cents' ? -2 : 0 })
  // Units are written as amounts are.
  const units = costOf(value)
  return units && { units: units.amount, raw: units.raw }
}

/** A list of tasks, newest first as vendors have it; ours is the one that names the address for callbacks of our submit. */
function readListing(reading: Reading): Outcome {
  const { title, shape, reply, memo } = reading
  const { listing } = shape
  const list = listing === undefined ? undefined : valueAt(reply.body, listing.items)
  const tasks: readonly Json[] = isSuccess(reply) && Array.isArray(list) ? (list as readonly Json[]) : []
  const ours = tasks.find((task) => listing !== undefined && memo.ours !== undefined && valueAt(task, listing.ours) === memo.ours)
  if (ours === undefined) {
    const failure = pollRefusal(reply, wordsOf(reading))
    if (!isSuccess(reply) || list === undefined) return { kind: 'refused', failure }
    return { kind: 'refused', failure: { ...failure, code: 'outcome_unknown', message: `${title} does not list the task` } }
  }
  const task = { ...reading, reply: { ...reply, body: ours }, memo: acceptedIn({ ...reading, memo: {} }, ours) }
  const end = endOf(task)
  if (end) return end
  if (task.memo.poll === undefined) return { kind: 'refused', failure: pollRefusal(reply, wordsOf(reading)) }
  return pending(task, pollCall(task.memo.poll, task.memo))
}

/** Whether the vendor took note, or the task was over already: the next poll says how it ended. */
function readCancel(reading: Reading): Outcome {
  const { reply, memo, shape } = reading
  const isCanceled = isSuccess(reply) && stateIn(shape, reply.body) === 'canceled' && isOfTask(reading)
  const end = isCanceled ? endOf(reading) : null
  if (end) return end
  const wasHeard = isSuccess(reply) || reply.status === 400 || reply.status === 409
  if (wasHeard && memo.poll !== undefined) return { kind: 'pending', next: pollCall(memo.poll, memo), afterMs: null, ...kept(memo) }
  return { kind: 'refused', failure: pollRefusal(reply, wordsOf(reading)), ...kept(memo) }
}

function pending(reading: Reading, next: Call): Outcome {
  const { shape, reply, memo } = reading
  const progress = shape.progress === undefined ? undefined : valueAt(reply.body, shape.progress)
  const word = valueAt(reply.body, shape.status.at)
  const isKnown = stateIn(shape, reply.body) !== undefined
  const note = isKnown
    ? null
    : typeof word === 'string'
      ? `unknown status "${withoutSecrets(word).slice(0, 60)}"`
      : 'the task has no status'
  return {
    kind: 'pending',
    next,
    afterMs: retryAfterMs(reply.headers),
    ...(typeof progress === 'number' && progress >= 0 && progress <= 1 && { progress }),
    ...kept(memo),
    ...(note !== null && { note }),
  }
}

function wordsOf({ title, shape: { errors }, reply }: Reading): VendorWords {
  const first = (pointers: readonly string[]): string | undefined => {
    const found = pointers.map((pointer) => valueAt(reply.body, pointer))
    const said = found.find((value) => typeof value === 'number' || (typeof value === 'string' && value !== ''))
    return typeof said === 'number' ? String(said) : (said as string | undefined)
  }
  const [code, message] = [first(errors.code), first(errors.message)]
  return {
    title,
    ...(code !== undefined && { code: withoutSecrets(code) }),
    ...(message !== undefined && { message: withoutSecrets(message) }),
  }
}
