import { failureOf, isSuccess, pollRefusal, retryAfterMs, statusMeaning } from '#adapter-kit'
import type { Billed, Failure, FailureCode, Reply } from '#contract'
import { bucketOf, type VendorError } from './wire.ts'

interface Meaning {
  readonly code: FailureCode
  readonly billed: Billed
}

/**
 * What each kind of error means for the caller and the bill. `billed: false` only where nothing can have run, because
 * it is what lets another provider be tried:
 * - safety: whether a moderated request is billed is not documented, so it is unknown.
 * - provider (`inferenceError`, `taskFailed`, `provider…`): the model was at work; whether that is billed is not documented.
 * - unavailable: no server took the task.
 * - server, unknown: the vendor does not say what happened.
 */
function meaningOf(error: VendorError): Meaning {
  if (error.isWithoutImage !== undefined) return { code: 'bad_reply', billed: 'unknown' }
  const bucket = bucketOf(error.code)
  switch (bucket) {
    case 'safety':
      return { code: 'moderated', billed: 'unknown' }
    case 'quota':
      return { code: 'insufficient_credit', billed: false }
    case 'rateLimit':
      return { code: 'rate_limited', billed: false }
    case 'auth':
      return { code: 'provider_unauthorized', billed: false }
    case 'timeout':
      return { code: 'provider_timeout', billed: 'unknown' }
    case 'validation':
    case 'notFound':
      return { code: 'provider_rejected', billed: false }
    case 'unavailable':
      return { code: 'provider_unavailable', billed: false }
    case 'provider':
    case 'server':
      return { code: 'provider_unavailable', billed: 'unknown' }
    case 'taskConflict':
      return { code: 'outcome_unknown', billed: 'unknown' }
    case 'unknown':
      return { code: 'provider_rejected', billed: 'unknown' }
  }
}

/**
 * Which side was refused. A named request field, a blocked prompt or upstream's "Request Moderated" is the request; found
 * nudity, a blocked image or "Content Moderated" is the output. Undecided counts as the request, the side a caller can change.
 */
function stageOf(error: VendorError): 'request' | 'output' {
  if (namesOf(error).some((name) => /prompt|reference|inputs|seedImage/i.test(name))) return 'request'
  const code = error.code?.toLowerCase() ?? ''
  if (code === 'promptblocked' || /request moderated/i.test(error.message ?? '')) return 'request'
  const isOutput = code === 'nsfwcontentdetected' || code === 'imageblocked' || /content moderated/i.test(error.message ?? '')
  return isOutput ? 'output' : 'request'
}

function namesOf({ parameter }: VendorError): readonly string[] {
  if (parameter === undefined) return []
  return typeof parameter === 'string' ? [parameter] : parameter
}

/** One vendor error as a failure. `status` is that of its reply. */
export function failureOfError(error: VendorError, status: number): Failure {
  const { code, billed } = meaningOf(error)
  const names = namesOf(error)
  const subject = names.length > 0 ? ` (${names.join(', ')})` : ''
  return {
    code,
    message: `Runware: ${saidBy(error)}${subject}`,
    billed,
    provider_status: status,
    provider_code: error.code ?? null,
    provider_message: error.message ?? null,
    ...(code === 'moderated' ? { stage: stageOf(error), reasons: [error.code ?? 'moderated'] } : {}),
  }
}

function saidBy(error: VendorError): string {
  if (error.isWithoutImage !== undefined)
    return `a result is a success without an image: where its link belongs there is ${error.isWithoutImage}`
  return error.message ?? error.code ?? 'an error without code or message'
}

/** The failure that speaks for a whole task: one that may have cost money before one that did not. */
export const worstOf = (failures: readonly Failure[]): Failure | undefined =>
  failures.find((failure) => failure.billed !== false) ?? failures[0]

/** Where Runware is more exact than HTTP. https://runware.ai/docs/platform/errors, 2026-11-21. */
const WORDS = { title: 'Runware', statuses: { 429: { says: 'says that its queue is full' } } } as const

/** The failure of a submit by its HTTP status alone; null where the status does not settle what became of it. */
export function failureByStatus(reply: Reply): Failure | null {
  const { status } = reply
  const { code, billed, says } = statusMeaning(status, WORDS.statuses)
  if (status < 300 || (billed === 'unknown' && status >= 400)) return null
  return failureOf(reply, {}, { code, billed, message: `Runware ${says} (HTTP ${status})` })
}

function withRetryAfter(failure: Failure, reply: Reply): Failure {
  const waitMs = retryAfterMs(reply.headers)
  return waitMs === null ? failure : { ...failure, retry_after_ms: waitMs }
}

/**
 * What an error in the reply to a submit means; null where it leaves open whether the task was bought. A code that says
 * nothing of the task (trouble of the service, a code nobody documented) is read by the HTTP status, where that is clear.
 */
export function failureOfSubmit(error: VendorError, reply: Reply): Failure | null {
  const byCode = withRetryAfter(failureOfError(error, reply.status), reply)
  const bucket = bucketOf(error.code)
  if (bucket === 'taskConflict') return null
  if (bucket !== 'server' && bucket !== 'unknown') return byCode
  const byStatus = failureByStatus(reply)
  if (byStatus !== null && byStatus.code !== 'provider_rejected') {
    const { message, provider_code, provider_message } = byCode
    return { ...byStatus, message, provider_code, provider_message }
  }
  return bucket === 'server' || reply.status >= 500 || reply.status === 408 ? null : byCode
}

/**
 * What an error in the reply to a poll says of the task; null where it is about the call, and says nothing of the task: not found,
 * trouble of the service, too many calls, our key or a field refused now. Outside 200…299 only an error that names the task is
 * about it, and what it cost is unknown.
 */
export function failureOfTask(error: VendorError, reply: Reply): Failure | null {
  const failure = failureOfError(error, reply.status)
  const unproven: Failure = { ...failure, billed: 'unknown' }
  const bucket = bucketOf(error.code)
  if (bucket === 'notFound' || bucket === 'taskConflict') return null
  const isOurs = error.taskUUID !== undefined
  if (error.isResult) return bucket === 'auth' || bucket === 'validation' || !isSuccess(reply) ? unproven : failure
  switch (bucket) {
    case 'safety':
    case 'timeout':
    case 'unavailable':
    case 'provider':
      return isSuccess(reply) ? failure : isOurs ? unproven : null
    case 'rateLimit':
      return isSuccess(reply) && error.code?.toLowerCase().startsWith('provider') ? failure : null
    case 'quota':
      return isSuccess(reply) && isOurs ? failure : null
    case 'validation':
    case 'unknown':
      return isSuccess(reply) && isOurs ? unproven : null
    case 'auth':
    case 'server':
      return null
  }
}

/** A poll that said nothing of the task: by the first error in it, else by its HTTP status. What the task costs is unknown. */
export function refusalOfPoll(errors: readonly VendorError[], reply: Reply): Failure {
  const [error] = errors
  const byStatus = pollRefusal(reply, { ...WORDS, code: error?.code ?? null, message: error?.message ?? null })
  if (error === undefined) return byStatus
  const bucket = bucketOf(error.code)
  if (bucket === 'notFound')
    return withRetryAfter({ ...failureOfError(error, reply.status), code: 'outcome_unknown', billed: 'unknown' }, reply)
  if (bucket === 'unknown' && !isSuccess(reply)) return byStatus
  return withRetryAfter({ ...failureOfError(error, reply.status), billed: 'unknown' }, reply)
}
