import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { FAILURES } from '#contract'
import type { Problem, ProblemCode } from '#contract'
import { Refusal } from '../core/generation/accept.ts'
import { IdempotencyMismatch } from '../core/generation/idempotency.ts'
import { BadCursor } from '../core/ports.ts'

/** Where each problem type is described. */
const TYPE_BASE = 'https://imagegate.dev/problems/'

export interface ProblemDetails {
  readonly code: ProblemCode
  readonly detail: string
  readonly status?: number
  readonly errors?: readonly { readonly path: string; readonly message: string }[]
  readonly generation_id?: string
  /** Told as Retry-After, in whole seconds. */
  readonly retryAfterMs?: number | null
}

/** Thrown by a route; becomes the problem document. */
export class HttpProblem extends Error {
  readonly details: ProblemDetails
  constructor(details: ProblemDetails) {
    super(details.detail)
    this.details = details
  }
}

const OTHER_STATUS = { not_found: 404, gone: 410, payload_too_large: 413, unsupported_media_type: 415 } as const

export function problemOf({ code, detail, status, errors, generation_id }: ProblemDetails): Problem {
  const httpStatus =
    status ?? (code in OTHER_STATUS ? OTHER_STATUS[code as keyof typeof OTHER_STATUS] : FAILURES[code as keyof typeof FAILURES].http)
  return {
    type: `${TYPE_BASE}${code}`,
    title: STATUS_CODES[httpStatus] ?? 'Error',
    status: httpStatus,
    detail,
    code,
    ...(errors ? { errors: [...errors] } : {}),
    ...(generation_id ? { generation_id } : {}),
  }
}

function sendProblem(reply: FastifyReply, details: ProblemDetails): FastifyReply {
  const problem = problemOf(details)
  if (details.retryAfterMs) reply.header('retry-after', String(Math.ceil(details.retryAfterMs / 1000)))
  return reply
    .code(problem.status)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(problem)
}

/** Every error of every route leaves as RFC 9457; what we did not expect is logged and told without its text. */
export function installProblems(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => sendProblem(reply, detailsOf(error, request)))
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, {
      code: 'not_found',
      detail: `There is no ${request.method} ${pathOf(request)}. GET /openapi.json lists every route.`,
    }),
  )
}

const pathOf = (request: FastifyRequest): string => request.url.split('?')[0]?.slice(0, 200) ?? '/'

function detailsOf(error: Error & Partial<Pick<FastifyError, 'code' | 'statusCode'>>, request: FastifyRequest): ProblemDetails {
  if (error instanceof HttpProblem) return error.details
  if (error instanceof Refusal) return { code: error.code, detail: error.message, errors: error.errors, retryAfterMs: error.retryAfterMs }
  if (error instanceof BadCursor) return fieldProblem('cursor', 'not a cursor of this list; leave it out to begin at the newest')
  if (error instanceof IdempotencyMismatch) {
    return {
      code: 'invalid_request',
      status: 422,
      detail: `${error.message}; send the same body or another key.`,
      errors: [{ path: 'Idempotency-Key', message: error.message }],
    }
  }
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return { code: 'payload_too_large', detail: 'The body is larger than this server takes (server.body_limit_bytes).' }
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return { code: 'unsupported_media_type', detail: 'Send application/json.' }
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return { code: 'invalid_request', detail: 'The body is empty or shorter than announced; send a JSON object.' }
    default:
  }
  if (error instanceof SyntaxError || (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)) {
    return { code: 'invalid_request', detail: `The request could not be read: ${error.message.slice(0, 200)}` }
  }
  request.log.error({ err: error }, 'a request failed unexpectedly')
  return { code: 'internal', detail: 'An unexpected error; the server log says more. Nothing is known to have been bought.' }
}

export const fieldProblem = (path: string, message: string): ProblemDetails => ({
  code: 'invalid_request',
  detail: `${path}: ${message}`,
  errors: [{ path, message }],
})
