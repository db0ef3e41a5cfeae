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
  if (error.isWithoutImage) return { code: 'bad_reply', billed: 'unknown' }
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

/** One vendor error as a failure. `status` is that of the reply that told it. */
export function refusal(error: VendorError, status: number): Failure {
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
  if (error.isWithoutImage) return 'a result is told as success without an image'
  return error.message ?? error.code ?? 'an error without code or message'
}

/** The failure that speaks for a whole task: one that may have cost money before one that did not. */
export const worstOf = (failures: readonly Failure[]): Failure | undefined =>
  failures.find((failure) => failure.billed !== false) ?? failures[0]

/** Milliseconds from `Retry-After`: seconds, as Runware sends it, or a date measured against the reply's own `Date`. */
function retryAfterMs({ headers }: Reply): number | undefined {
  const value = headers['retry-after']?.trim() ?? ''
  if (/^\d{1,6}$/.test(value)) return Number(value) * 1000
  const waitMs = /[a-z]/i.test(value) ? Date.parse(value) - Date.parse(headers['date'] ?? '') : Number.NaN
  return Number.isNaN(waitMs) ? undefined : Math.max(0, waitMs)
}

/** A failure told by the HTTP status alone; null where the status does not settle what became of a submit. */
export function refusalByStatus(reply: Reply): Failure | null {
  const { status } = reply
  const refuse = (code: FailureCode, message: string, billed: Billed = false): Failure => ({
    code,
    message: `Runware: ${message} (HTTP ${status})`,
    billed,
    provider_status: status,
    provider_code: null,
    provider_message: null,
  })
  if (status === 401 || status === 403) return refuse('provider_unauthorized', 'the key was refused')
  if (status === 402) return refuse('insufficient_credit', 'the account has no credit')
  if (status === 429) return withRetryAfter(refuse('rate_limited', 'its queue is full'), reply)
  if (status === 503) return refuse('provider_unavailable', 'the service is unavailable')
  if (status === 408 || status < 300 || status >= 500) return null
  if (status >= 400) return refuse('provider_rejected', 'the request was refused without a reason')
  return refuse('bad_reply', 'the reply is a redirect, which is never followed', 'unknown')
}

function withRetryAfter(failure: Failure, reply: Reply): Failure {
  const retry_after_ms = retryAfterMs(reply)
  return failure.code === 'rate_limited' && retry_after_ms !== undefined ? { ...failure, retry_after_ms } : failure
}

/**
 * What an error in the reply to a submit means; null where it leaves open whether the task was bought. A code that says
 * nothing of the task (trouble of the service, a code nobody documented) is read by the HTTP status, where that is clear.
 */
export function refusalOfSubmit(error: VendorError, reply: Reply): Failure | null {
  const byCode = withRetryAfter(refusal(error, reply.status), reply)
  const bucket = bucketOf(error.code)
  if (bucket === 'taskConflict') return null
  if (bucket !== 'server' && bucket !== 'unknown') return byCode
  const byStatus = refusalByStatus(reply)
  if (byStatus !== null && byStatus.code !== 'provider_rejected') {
    const { message, provider_code, provider_message } = byCode
    return { ...byStatus, message, provider_code, provider_message }
  }
  return bucket === 'server' || reply.status >= 500 || reply.status === 408 ? null : byCode
}

/**
 * What an error in the reply to a look means for the task; null where it tells nothing of it: not found, trouble of the
 * service, too many looks. Our key or a field refused now is no proof that the task, bought earlier, cost nothing.
 */
export function refusalOfTask(error: VendorError, reply: Reply): Failure | null {
  const failure = refusal(error, reply.status)
  const bucket = bucketOf(error.code)
  switch (bucket) {
    case 'notFound':
    case 'server':
    case 'taskConflict':
      return null
    case 'rateLimit':
      return error.code?.toLowerCase().startsWith('provider') ? failure : null
    case 'auth':
    case 'validation':
      return { ...failure, billed: 'unknown' }
    case 'quota':
    case 'safety':
    case 'timeout':
    case 'unavailable':
    case 'provider':
    case 'unknown':
      return failure
  }
}
