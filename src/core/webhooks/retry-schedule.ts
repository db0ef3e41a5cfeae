import type { Instant, WebhookDeliveryRecord } from '../records.ts'
import type { Posted } from '../ports.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS

/** Waits after the first try and each one after it; together about 24 hours. */
export const DELIVERY_DELAYS_MS: readonly number[] = [
  5 * SECOND_MS,
  30 * SECOND_MS,
  2 * MINUTE_MS,
  10 * MINUTE_MS,
  30 * MINUTE_MS,
  1 * HOUR_MS,
  2 * HOUR_MS,
  4 * HOUR_MS,
  8 * HOUR_MS,
  8 * HOUR_MS,
]

/** Each wait is up to this share longer or shorter, so that what failed together does not come back together. */
const JITTER = 0.2
/** The longest a receiver may ask us to stay away. */
const LONGEST_STAY_AWAY_MS = 8 * HOUR_MS

/** Nothing is planned further ahead. */
export const LONGEST_WAIT_MS = 12 * HOUR_MS

interface Schedule {
  /** The time that the schedule is kept in. */
  readonly now: Instant
  /** Waits after the first failed try and each one after it. */
  readonly delaysMs: readonly number[]
  /** A number in 0…1. */
  readonly random: () => number
  /** Further messages follow this one. */
  readonly hasMore?: boolean
}

/**
 * What a try's answer makes of its delivery: 2xx ends it well, or begins its next message; 410 and an address that may not be reached end it
 * for good, and everything else, redirects and names that lead inside at the moment included, is tried again until the schedule is over.
 */
export function judgeTry(
  delivery: WebhookDeliveryRecord,
  posted: Posted,
  { now, delaysMs, random, hasMore = false }: Schedule,
): WebhookDeliveryRecord {
  const statusCode = posted.kind === 'status' ? posted.status : null
  const reason = reasonOf(posted)
  const tried = { ...delivery, tries: delivery.tries + 1, lastTry: { at: now, statusCode, reason } }
  if (reason === null && hasMore) return { ...tried, failures: 0, taken: (delivery.taken ?? 0) + 1, nextTryAt: now }
  if (reason === null) return { ...tried, status: 'delivered', nextTryAt: null, endedAt: now }
  const failures = delivery.failures + 1
  const isFinal = statusCode === 410 || (posted.kind === 'refused' && posted.mayPass !== true)
  const delayMs = isFinal ? undefined : delaysMs[delivery.failures]
  if (delayMs === undefined) return { ...tried, failures, status: 'failed', nextTryAt: null, endedAt: now }
  const askedMs = posted.kind === 'status' ? Math.min(LONGEST_STAY_AWAY_MS, posted.retryAfterMs ?? 0) : 0
  const waitMs = Math.max(askedMs, Math.round(delayMs * (1 - JITTER + 2 * JITTER * random())))
  return { ...tried, failures, nextTryAt: now + waitMs }
}

/** Why an answer does not count as delivered; null where it does. */
function reasonOf(posted: Posted): string | null {
  switch (posted.kind) {
    case 'failed':
      return posted.reason
    case 'refused':
      return `not sent: ${posted.reason}`
    case 'status':
      if (posted.status >= 200 && posted.status < 300) return null
      if (posted.status >= 300 && posted.status < 400) return `redirects are not followed (HTTP ${posted.status})`
      return posted.status === 410 ? 'the receiver wants no more (HTTP 410)' : `HTTP ${posted.status}`
  }
}
