import type { Billed, Failure, FailureCode, Reply } from '#contract'
import { retryAfterMs } from './retry-after.ts'

/** What a status outside 200…299 means. `billed` is of a submit that is answered so; of a poll it is never known. */
export interface StatusMeaning {
  readonly code: FailureCode
  readonly billed: Billed
  /** After the vendor's name: `Acme refused the API key`. */
  readonly says: string
}

const BROKEN: StatusMeaning = { code: 'provider_unavailable', billed: 'unknown', says: 'had an internal error' }
const REJECTED: StatusMeaning = { code: 'provider_rejected', billed: false, says: 'refused the request' }
const NOT_HTTP_API: StatusMeaning = {
  code: 'bad_reply',
  billed: 'unknown',
  says: 'answered with a status that belongs to no reply of its API',
}

/** By RFC 9110. A vendor with another meaning for a status refines it. */
const STATUSES: Readonly<Record<number, StatusMeaning>> = {
  401: { code: 'provider_unauthorized', billed: false, says: 'refused the API key' },
  402: { code: 'insufficient_credit', billed: false, says: 'says that the account has too little credit' },
  403: { code: 'provider_unauthorized', billed: false, says: 'denied permission to the API key' },
  408: { code: 'provider_unavailable', billed: 'unknown', says: 'did not answer in time' },
  429: { code: 'rate_limited', billed: false, says: 'limits the rate of requests' },
  503: { code: 'provider_unavailable', billed: false, says: 'is temporarily unavailable' },
}

export type StatusTable = Readonly<Record<number, Partial<StatusMeaning>>>

/** What a status means: as the vendor's own table says, else by the common one, else by its class. */
export function statusMeaning(status: number, refinements: StatusTable = {}): StatusMeaning {
  const common = STATUSES[status] ?? (status >= 500 ? BROKEN : status >= 400 ? REJECTED : NOT_HTTP_API)
  return { ...common, ...refinements[status] }
}

/** The vendor as errors name it, and its own words in the reply's body, already without secrets. */
export interface VendorWords {
  readonly title: string
  readonly code?: string | null
  readonly message?: string | null
  readonly statuses?: StatusTable
}

export const isSuccess = ({ status }: Reply): boolean => status >= 200 && status < 300

/** A failure with the reply's status, the vendor's words and its Retry-After. */
export function failureOf(
  reply: Reply,
  { code: vendorCode = null, message: vendorMessage = null }: Pick<VendorWords, 'code' | 'message'>,
  what: { readonly code: FailureCode; readonly message: string; readonly billed: Billed },
): Failure {
  const waitMs = retryAfterMs(reply.headers)
  return {
    ...what,
    provider_status: reply.status,
    provider_code: vendorCode,
    provider_message: vendorMessage,
    ...(waitMs === null ? {} : { retry_after_ms: waitMs }),
  }
}

/** A submit that was answered outside 200…299, by its status alone. */
export function submitFailure(reply: Reply, words: VendorWords): Failure {
  const { code, billed, says } = statusMeaning(reply.status, words.statuses)
  return failureOf(reply, words, { code, billed, message: `${words.title} ${says} (HTTP ${reply.status})` })
}

/**
 * A poll that was refused: by its status, or, inside 200…299, for a body without meaning. It says nothing about the task, which was
 * bought, so what it costs is unknown.
 */
export function pollRefusal(reply: Reply, words: VendorWords): Failure {
  const because = (code: FailureCode, says: string) =>
    failureOf(reply, words, { code, billed: 'unknown', message: `${words.title} ${says} (HTTP ${reply.status})` })
  if (isSuccess(reply)) return because('bad_reply', 'answered a poll with a body that says nothing of the task')
  if (reply.status === 404 || reply.status === 410) return because('outcome_unknown', 'does not know the task it accepted')
  const { code, says } = statusMeaning(reply.status, words.statuses)
  return because(code, `${says} on a poll`)
}

/** These are about the caller, whatever else the body says. */
const ABOUT_THE_CALLER: ReadonlySet<number> = new Set([401, 402, 403, 407, 429])

/**
 * Whether the status word in a reply's body may be believed, before the HTTP status too: some vendors answer a failed task with 5xx and its
 * normal body. Whatever the status, not where the body names another task, nor where a refusal of the caller names none.
 */
export function isBodyOfTask(reply: Reply, bodyId: string | undefined, taskId: string | undefined): boolean {
  if (bodyId === undefined) return isSuccess(reply) || !ABOUT_THE_CALLER.has(reply.status)
  return taskId === undefined || bodyId === taskId
}
