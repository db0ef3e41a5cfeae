import type { FastifyError } from 'fastify'
import { Refusal } from '../core/generation/accept.ts'
import { IdempotencyMismatch } from '../core/generation/idempotency.ts'
import { AssetError, BadCursor, StoreError } from '../core/ports.ts'
import { HttpProblem } from './http-problem.ts'
import type { ProblemDetails } from './http-problem.ts'

const UNEXPECTED: ProblemDetails = {
  code: 'internal',
  detail: 'An unexpected error; the server log says more. Nothing is known to have been bought.',
}

/** Any error of any route as a problem: the one mapping, which each API puts into its own words. What nobody expected is `internal`. */
export function toProblem(error: unknown): ProblemDetails {
  if (error instanceof HttpProblem) return error.details
  if (error instanceof Refusal) return { code: error.code, detail: error.message, errors: error.errors, retryAfterMs: error.retryAfterMs }
  if (error instanceof BadCursor) return fieldProblem('cursor', 'not a cursor of this list; leave it out to begin at the newest')
  if (error instanceof IdempotencyMismatch) {
    const detail = `${error.message}; send the same body or another key.`
    return { code: 'invalid_request', status: 422, detail, errors: [{ path: IDEMPOTENCY_KEY, message: error.message }] }
  }
  if (error instanceof StoreError && error.reason === 'unreachable') return STORE_AWAY
  if (error instanceof StoreError && (error.reason === 'full' || error.reason === 'io')) return STORE_UNWRITABLE
  if (error instanceof StoreError && error.reason === 'damaged') return STORE_DAMAGED
  if (error instanceof StoreError && error.reason === 'elsewhere') return { code: 'invalid_request', status: 409, detail: error.message }
  if (error instanceof AssetError && error.reason === 'storage') return IMAGES_AWAY
  return error instanceof Error ? ofParser(error) : UNEXPECTED
}

const STORE_AWAY: ProblemDetails = {
  code: 'store_unavailable',
  detail:
    'The database of this gateway does not answer for the moment; this request bought nothing, and what was accepted before goes on. Send it again.',
  retryAfterMs: 2_000,
}

const STORE_DAMAGED: ProblemDetails = {
  code: 'store_unavailable',
  detail:
    'The database of this gateway is damaged, which its log says more of; its operator restores it from a backup. Nothing is known to have been bought for this request.',
  retryAfterMs: 30_000,
}

const STORE_UNWRITABLE: ProblemDetails = {
  code: 'store_unavailable',
  detail:
    'The disk of this gateway’s database is full or refuses what is written, so that nothing can be accepted or bought until its operator has seen to it. Send the request again then, with the same Idempotency-Key where it buys.',
  retryAfterMs: 30_000,
}

/** Also where an image was bought before it could not be read: who asks again under the same key gets the same one. */
const IMAGES_AWAY: ProblemDetails = {
  code: 'store_unavailable',
  detail:
    'The image storage of this gateway cannot be read or written for the moment. Send the request again, with the same Idempotency-Key where it buys.',
  retryAfterMs: 2_000,
}

/** The path of an error about the header of this name. */
export const IDEMPOTENCY_KEY = 'Idempotency-Key'

/** The errors of fastify's own reading of a request. */
function ofParser(error: Error & Partial<Pick<FastifyError, 'code' | 'statusCode'>>): ProblemDetails {
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return { code: 'payload_too_large', detail: 'The body is larger than this server takes (server.body_limit_bytes).' }
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return { code: 'unsupported_media_type', detail: 'The Content-Type is not one that this route takes; send application/json.' }
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return {
        code: 'invalid_request',
        detail: 'The body is empty, or not as long as its Content-Length; send a JSON object.',
        unreadable: 'json',
      }
    default:
  }
  // Of a row of the database that cannot be read it is no fault of the request: an error without a status is none of those.
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return { code: 'invalid_request', detail: `The request could not be read: ${error.message.slice(0, 200)}`, unreadable: 'json' }
  }
  return UNEXPECTED
}

export const fieldProblem = (path: string, message: string): ProblemDetails => ({
  code: 'invalid_request',
  detail: `${path}: ${message}`,
  errors: [{ path, message }],
})
