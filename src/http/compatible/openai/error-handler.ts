import type { FastifyReply, FastifyRequest } from 'fastify'
import { FAILURES } from '#contract'
import type { FailureCode, Objection } from '#contract'
import type { ProblemDetails } from '../../http-problem.ts'
import { misspelt } from '../../invalid-request.ts'
import { loggedProblem } from '../../problem.ts'
import { IDEMPOTENCY_KEY } from '../../to-problem.ts'
import { inOwnNames, paramOf, PLAIN } from './as-written.ts'
import type { AsWritten } from './as-written.ts'
import { refusal } from './problems.ts'
import type { OpenaiProblem } from './problems.ts'

/** Thrown by a route of this API. */
export class OpenaiRefusal extends Error {
  readonly problem: OpenaiProblem
  constructor(problem: OpenaiProblem) {
    super(problem.body.error.message)
    this.problem = problem
  }
}

/** Every error of this API's routes leaves as OpenAI's error object, those raised before the route's own code included. */
export const sendError = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply =>
  sendProblem(reply, error instanceof OpenaiRefusal ? error.problem : reworded(loggedProblem(error, request)))

export function sendProblem(reply: FastifyReply, problem: OpenaiProblem): FastifyReply {
  reply.code(problem.status).headers(problemHeaders(problem))
  return reply.header('content-type', 'application/json; charset=utf-8').serializer(JSON.stringify).send(problem.body)
}

export const problemHeaders = ({ mayRepeat, retryAfterSeconds }: OpenaiProblem): Record<string, string> => ({
  'x-should-retry': String(mayRepeat),
  ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
})

/** A problem in OpenAI's words, which name one field; it is named as the caller wrote it. */
export function reworded({ code, detail, errors = [], unreadable, status }: ProblemDetails, written: AsWritten = PLAIN): OpenaiProblem {
  const path = errors[0]?.path ?? ''
  const message = inOwnNames(detail, path, written)
  switch (code) {
    case 'payload_too_large':
      return tooLarge(detail)
    case 'unsupported_media_type':
      return unsupportedMediaType(detail)
    case 'model_not_found':
      return refusal(code, message, { param: 'model' })
    case 'unauthorized':
      return status === 403 ? refusal(code, detail, { as: 'insufficient_permissions', status }) : refusal(code, detail)
    case 'no_eligible_offer':
      return refusal(code, message)
    case 'invalid_request':
      if (unreadable !== undefined) return refusal(code, detail, { as: 'invalid_request' })
      if (path === IDEMPOTENCY_KEY)
        return refusal(code, detail, { param: path, as: 'idempotency_key_reused', ...(status ? { status } : {}) })
      return refusal(code, message, { param: paramOf(path.split('.'), written), ...(status ? { status } : {}) })
    default:
      return isFailure(code)
        ? refusal(code, message, { param: paramOf(path.split('.'), written) })
        : refusal('invalid_request', detail, { as: code })
  }
}

const isFailure = (code: ProblemDetails['code']): code is FailureCode => Object.hasOwn(FAILURES, code)

export const tooLarge = (message: string, param: string | null = null): OpenaiProblem =>
  refusal('invalid_request', message, { param, as: 'payload_too_large', status: 413 })

export const unsupportedMediaType = (message: string): OpenaiProblem =>
  refusal('invalid_request', message, { as: 'unsupported_media_type', status: 415 })

const shownName = ({ path }: Objection) => paramOf(path.map((name) => (typeof name === 'string' ? name.slice(0, 100) : name)))

function unknownInWords(objection: Objection): string {
  const near = / (did you mean .*)$/.exec(objection.message)?.[1]
  return `Unknown parameter: '${shownName(objection)}'${near ? `; ${near}` : '.'}`
}

/** The first thing that is wrong with a body as it was written. */
export function problemOf(objections: readonly Objection[]): OpenaiProblem {
  const [first] = objections
  if (!first) return refusal('invalid_request', 'The request is invalid.')
  const param = shownName(first)
  switch (first.kind) {
    case 'unknown':
      return refusal('invalid_request', unknownInWords(first), { param, as: 'unknown_parameter' })
    case 'missing': {
      const beside = misspelt(objections)
      const more = beside === undefined ? '' : ` ${unknownInWords(beside)}`
      return refusal('invalid_request', `Missing required parameter: '${param ?? 'body'}'.${more}`, {
        param,
        as: 'missing_required_parameter',
      })
    }
    case 'wrong': {
      const more = objections.length > 1 ? ` (and ${objections.length - 1} more)` : ''
      return refusal('invalid_request', `Invalid value for '${param ?? 'body'}': it ${first.message}${more}`, { param })
    }
  }
}
