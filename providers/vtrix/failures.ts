import type { Billed, Failure, FailureCode, Reply } from '#contract'
import { printable, readHttpError, type Task, type VendorError } from './wire.ts'

/**
 * What an error's words say. The vendor publishes no list of task error codes and no moderation signal (2026-11-21), so this is
 * inferred from plain words alone; upstream's own are "Request Moderated" and "Content Moderated". Other words mean `rejected`.
 */
type Meaning = 'moderated' | 'no_credit' | 'rejected'

const MODERATION =
  /\bmoderated\b|\bmoderation\b(?! (?:tolerance|level|service|api|timeout|timed|unavailable))|\bnsfw\b|\bcontent (?:policy|policies|filter|filtered|violation|safety)\b|\bsafety (?:filter|system|policy|violation)\b|\b(?:sensitive|prohibited|unsafe|inappropriate) content\b/
const NO_CREDIT =
  /\b(?:insufficient|not enough|no|low) (?:account |available )?(?:balance|credits?|funds?)\b|\b(?:balance|credits?|funds?) (?:is |are )?(?:insufficient|not enough|too low|exhausted)\b/
const NO_PERMISSION = /\bpermission|\bforbidden\b|\bnot allowed\b/
const OUTPUT_SIDE = /\b(?:output|generated|result)\b|\bcontent moderated\b/
const REQUEST_SIDE = /\b(?:prompt|input|request)\b/

/** Code and message as lower-case words: `RequestModerated`, `request_moderated` and `Request Moderated` read alike. */
const wordsOf = ({ code, message }: VendorError): string =>
  `${code ?? ''} ${message ?? ''}`
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll(/[_\-\s]+/g, ' ')
    .toLowerCase()

function meaningOf(error: VendorError): Meaning {
  const words = wordsOf(error)
  if (MODERATION.test(words)) return 'moderated'
  return NO_CREDIT.test(words) && !NO_PERMISSION.test(words) ? 'no_credit' : 'rejected'
}

function failure(
  code: FailureCode,
  message: string,
  billed: Billed,
  status: number | string | null,
  error: VendorError,
  retryAfterMs?: number,
): Failure {
  return {
    code,
    message,
    billed,
    provider_status: status,
    provider_code: error.code,
    provider_message: error.message,
    ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }),
  }
}

/** A failure whose kind only the vendor's words tell; `otherwise` is said where they tell nothing more. */
function fromWords(error: VendorError, billed: Billed, status: number | string | null, otherwise: string): Failure {
  switch (meaningOf(error)) {
    case 'moderated': {
      const stage = stageOf(error, status)
      return {
        ...failure('moderated', 'The provider’s message says that moderation refused it.', billed, status, error),
        ...(stage ? { stage } : {}),
        ...(error.message ? { reasons: [error.message] } : {}),
      }
    }
    case 'no_credit':
      return failure('insufficient_credit', 'The account at the provider has too little balance.', billed, status, error)
    case 'rejected':
      return failure('provider_rejected', otherwise, billed, status, error)
  }
}

/** A refused submit has made nothing, so it can only be about the request; of a task, only the words tell. */
function stageOf(error: VendorError, status: number | string | null): 'request' | 'output' | null {
  if (typeof status === 'number') return 'request'
  const words = wordsOf(error)
  if (OUTPUT_SIDE.test(words)) return 'output'
  return REQUEST_SIDE.test(words) ? 'request' : null
}

/** A submit that was answered with an HTTP status outside 200…299. */
export function submitFailure(reply: Reply): Failure {
  const { status } = reply
  const error = readHttpError(reply.body)
  const wait = retryAfterMs(reply)
  switch (status) {
    case 401:
      return failure('provider_unauthorized', 'The provider refused the API key.', false, status, error)
    case 402:
      return failure('insufficient_credit', 'The account at the provider has too little balance.', false, status, error)
    case 403: {
      // One status for two things, "Insufficient balance or permission denied"; only the message tells them apart, and where it
      // does not, the key is the safer reading. https://doc.vtrix.ai/docs/api/vtrix/vtrix-image-4-0, 2026-11-21
      const told = fromWords(error, false, status, '')
      if (told.code !== 'provider_rejected') return told
      return failure('provider_unauthorized', 'The provider denied permission, or the balance is too low.', false, status, error)
    }
    case 429:
      return failure('rate_limited', 'The provider’s rate limit is reached.', false, status, error, wait)
    case 503:
      return failure('provider_unavailable', 'The provider is unavailable.', false, status, error, wait)
    default:
      // A server that broke, or a proxy that gave up waiting for it, may have taken the task already.
      if (status >= 500 || status === 408)
        return failure(
          'provider_unavailable',
          `The provider answered ${status}; the task may have been taken.`,
          'unknown',
          status,
          error,
          wait,
        )
      if (status >= 400) return fromWords(error, false, status, 'The provider refused the request.')
      return failure('bad_reply', `The provider answered ${status}, which is not part of its interface.`, 'unknown', status, error)
  }
}

/** A poll that the vendor answered with a final HTTP error. The task was bought; whether it is billed, nobody said. */
export function pollFailure(reply: Reply): Failure {
  const { status } = reply
  const error = readHttpError(reply.body)
  switch (status) {
    case 401:
    case 403:
      return failure('provider_unauthorized', 'The provider refused to show the task to this API key.', 'unknown', status, error)
    case 404:
    case 410:
      // Undocumented. Whether the image was ever made cannot be told, so this is no `result_expired`.
      return failure('outcome_unknown', 'The provider no longer knows the task it had accepted.', 'unknown', status, error)
    default:
      if (status < 400) return badReply(`The provider answered ${status}, which is not part of its interface.`, 'unknown', reply)
      return failure('provider_rejected', `The provider refused to show the task (${status}).`, 'unknown', status, error)
  }
}

/** A submit answered 2xx by an error instead of a task. */
export const refusedTask = (error: VendorError, billed: Billed, reply: Reply): Failure =>
  fromWords(error, billed, reply.status, 'The provider refused the request.')

/** A task that ended without an image. */
export function taskFailure(task: Task, billed: Billed): Failure {
  const error = task.error ?? { code: null, message: null }
  return fromWords(
    error,
    billed,
    task.status === undefined ? null : printable(task.status),
    `The provider’s task failed${error.message ? '' : ' without saying why'}.`,
  )
}

/** A 2xx reply that holds nothing we can use. */
export const badReply = (message: string, billed: Billed, reply: Reply): Failure =>
  failure('bad_reply', message, billed, reply.status, readHttpError(reply.body))

/** Retry-After in seconds, or as a date measured against the reply's own Date. */
export function retryAfterMs(reply: Reply): number | undefined {
  const value = reply.headers['retry-after']?.trim()
  if (!value) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  const wait = Date.parse(value) - Date.parse(reply.headers['date'] ?? '')
  return Number.isSafeInteger(wait) ? Math.max(0, wait) : undefined
}
