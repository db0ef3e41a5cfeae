import { STATUS_CODES } from 'node:http'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import { FAILURES, HTTP_PROBLEMS } from '#contract'
import { AssetError, StoreError } from '../core/ports.ts'
import type { Problem } from '#contract'
import type { ProblemDetails } from './http-problem.ts'
import { allowOf, hasWrongVerb, isExact, pathOf } from './known-routes.ts'
import { toProblem } from './to-problem.ts'

export interface ProblemDependencies {
  /** Below it, `/problems/<code>` is a page. */
  readonly publicUrl: () => string
  /** The error object of the compatible API whose paths begin with /v1 as ours do. */
  readonly foreignError: (details: ProblemDetails) => Problem['error']
}

/** Every code that an answer can carry, and what it means. */
export const PROBLEMS = { ...FAILURES, ...HTTP_PROBLEMS } as const

export const statusOf = ({ code, status }: Pick<ProblemDetails, 'code' | 'status'>): number => status ?? PROBLEMS[code].http

/** As RFC 9457 has it; `type` is a page of this server. */
export function problemDocument(details: ProblemDetails, path: string, { publicUrl, foreignError }: ProblemDependencies): Problem {
  const { code, detail, errors, generation_id } = details
  const status = statusOf(details)
  return {
    type: `${publicUrl()}/problems/${code}`,
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    code,
    ...(errors ? { errors: [...errors] } : {}),
    ...(generation_id ? { generation_id } : {}),
    ...(path.startsWith('/v1/') ? { error: foreignError(details) } : {}),
  }
}

export function sendProblem(reply: FastifyReply, details: ProblemDetails, deps: ProblemDependencies): FastifyReply {
  const problem = problemDocument(details, pathOf(reply.request), deps)
  return reply
    .code(problem.status)
    .headers(retryAfterHeader(details))
    .header('content-type', 'application/problem+json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(problem)
}

export const retryAfterHeader = ({ retryAfterMs }: ProblemDetails): Record<string, string> =>
  retryAfterMs ? { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) } : {}

/**
 * Refuses what a route beside the right one would take, in the words of the API that the path belongs to: only the pattern of a route takes
 * the path of another. Must come before all routes.
 */
export function refuseWrongVerbs(app: FastifyInstance): void {
  const refuse: onRequestHookHandler = (request, reply, done) => {
    if (hasWrongVerb(request)) reply.callNotFound()
    else done()
  }
  app.addHook('onRoute', (route) => {
    if (!isExact(route.url)) route.onRequest = [refuse, route.onRequest ?? []].flat()
  })
}

/** Every error of every route leaves as RFC 9457. */
export function installProblems(app: FastifyInstance, deps: ProblemDependencies): void {
  app.setErrorHandler((error: FastifyError, request, reply) => sendProblem(reply, loggedProblem(error, request), deps))
  app.setNotFoundHandler((request, reply) => sendProblem(reply, noRoute(request, reply), deps))
}

/** Why no route takes a request: its path, or its verb; then `Allow` names the right ones. */
export function noRoute(request: FastifyRequest, reply: FastifyReply): ProblemDetails {
  const allow = allowOf(request)
  const path = pathOf(request).slice(0, 200)
  if (allow === null) return { code: 'not_found', detail: `There is no ${request.method} ${path}. GET /openapi.json lists every route.` }
  reply.header('allow', allow)
  return { code: 'method_not_allowed', detail: `${path} does not take ${request.method}; it takes ${allow}.` }
}

/** As `toProblem`; what was not expected is logged, since the caller learns nothing of it. */
export function loggedProblem(error: unknown, request: Pick<FastifyRequest, 'id' | 'log'>): ProblemDetails {
  const details = toProblem(error)
  if (details.code === 'internal') request.log.error({ request_id: request.id, err: error }, 'a request failed unexpectedly')
  // The operator alone is shown why.
  else if (error instanceof AssetError) request.log.error({ request_id: request.id, reason: error.message }, 'the image storage is away')
  else if (error instanceof StoreError && error.reason !== 'elsewhere')
    request.log.error({ request_id: request.id, reason: error.message }, 'the database is away')
  return details
}
