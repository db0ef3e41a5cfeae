import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { FAILURES } from '#contract'
import type { Problem } from '#contract'
import type { ProblemDetails } from './http-problem.ts'
import { toProblem } from './to-problem.ts'

/** Where each problem type is described. */
const TYPE_BASE = 'https://imagegate.dev/problems/'

const OTHER_STATUS = { not_found: 404, gone: 410, payload_too_large: 413, unsupported_media_type: 415 } as const

export const statusOf = ({ code, status }: Pick<ProblemDetails, 'code' | 'status'>): number =>
  status ?? (code in OTHER_STATUS ? OTHER_STATUS[code as keyof typeof OTHER_STATUS] : FAILURES[code as keyof typeof FAILURES].http)

/** As RFC 9457 has it. */
export function problemDocument(details: ProblemDetails): Problem {
  const { code, detail, errors, generation_id } = details
  const status = statusOf(details)
  return {
    type: `${TYPE_BASE}${code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    code,
    ...(errors ? { errors: [...errors] } : {}),
    ...(generation_id ? { generation_id } : {}),
  }
}

function sendProblem(reply: FastifyReply, details: ProblemDetails): FastifyReply {
  const problem = problemDocument(details)
  return reply
    .code(problem.status)
    .headers(retryAfterHeader(details))
    .header('content-type', 'application/problem+json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(problem)
}

export const retryAfterHeader = ({ retryAfterMs }: ProblemDetails): Record<string, string> =>
  retryAfterMs ? { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) } : {}

/** Every error of every route leaves as RFC 9457. */
export function installProblems(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => sendProblem(reply, loggedProblem(error, request)))
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, {
      code: 'not_found',
      detail: `There is no ${request.method} ${pathOf(request)}. GET /openapi.json lists every route.`,
    }),
  )
}

/** As `toProblem`; what was not expected is logged, since the caller learns nothing of it. */
export function loggedProblem(error: unknown, request: Pick<FastifyRequest, 'log'>): ProblemDetails {
  const details = toProblem(error)
  if (details.code === 'internal') request.log.error({ err: error }, 'a request failed unexpectedly')
  return details
}

const pathOf = (request: FastifyRequest): string => request.url.split('?')[0]?.slice(0, 200) ?? '/'
