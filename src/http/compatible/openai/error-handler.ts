import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { FAILURES } from '#contract'
import type { FailureCode } from '#contract'
import { Refusal } from '../../../core/generation/accept.ts'
import { IdempotencyMismatch } from '../../../core/generation/idempotency.ts'
import { HttpProblem } from '../../problem.ts'
import { refusal } from './problems.ts'
import type { OpenaiProblem } from './problems.ts'

/** Thrown by a route of this door. */
export class DoorProblem extends Error {
  readonly problem: OpenaiProblem
  constructor(problem: OpenaiProblem) {
    super(problem.body.error.message)
    this.problem = problem
  }
}

/** Every error of this door's routes leaves as OpenAI's error object, those raised before the route's own code included. */
export function sendError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error, request)
  return sendProblem(reply, request.routeOptions.url === EDITS_PATH ? inWordsOfAnEdit(problem) : problem)
}

export const EDITS_PATH = '/v1/images/edits'

/** The files of an edit are the first reference images of its request. */
function inWordsOfAnEdit(problem: OpenaiProblem): OpenaiProblem {
  const { error } = problem.body
  if (!error.param?.startsWith('reference_images')) return problem
  const param = error.param.replace('reference_images', 'image')
  return { ...problem, body: { error: { ...error, param, message: error.message.replace(/^reference_images(\.\d+)?/, param) } } }
}

export function sendProblem(reply: FastifyReply, problem: OpenaiProblem): FastifyReply {
  reply.code(problem.status).headers(problemHeaders(problem))
  return reply.header('content-type', 'application/json; charset=utf-8').serializer(JSON.stringify).send(problem.body)
}

export const problemHeaders = ({ mayRepeat, retryAfterSeconds }: OpenaiProblem): Record<string, string> => ({
  'x-should-retry': String(mayRepeat),
  ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
})

export function problemOf(error: Error & Partial<Pick<FastifyError, 'code' | 'statusCode'>>, request: FastifyRequest): OpenaiProblem {
  if (error instanceof DoorProblem) return error.problem
  if (error instanceof Refusal) return problemOfRefusal(error)
  if (error instanceof HttpProblem) return problemOfHttpProblem(error)
  if (error instanceof IdempotencyMismatch)
    return refusal('invalid_request', `${error.message}; send the same body or another key.`, {
      param: 'Idempotency-Key',
      as: 'idempotency_key_reused',
      status: 422,
    })
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return tooLarge('The body is larger than this server takes (server.body_limit_bytes).')
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return unsupportedMediaType('The Content-Type is not one this route takes.')
    default:
  }
  if (error instanceof SyntaxError || (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500))
    return refusal('invalid_request', `The request could not be read: ${error.message.slice(0, 200)}`, { as: 'invalid_request' })
  request.log.error({ err: error }, 'a request failed unexpectedly')
  return refusal('internal', 'An unexpected error; the server log says more. Nothing was bought.')
}

export const tooLarge = (message: string, param: string | null = null): OpenaiProblem =>
  refusal('invalid_request', message, { param, as: 'payload_too_large', status: 413 })

export const unsupportedMediaType = (message: string): OpenaiProblem =>
  refusal('invalid_request', message, { as: 'unsupported_media_type', status: 415 })

function problemOfRefusal({ code, message, errors }: Refusal): OpenaiProblem {
  switch (code) {
    case 'model_not_found':
      return refusal(code, message, { param: 'model' })
    case 'no_eligible_offer':
      return refusal(code, message)
    default:
      return refusal(code, message, { param: paramOf(errors[0]?.path.split('.') ?? []) })
  }
}

function problemOfHttpProblem({ details }: HttpProblem): OpenaiProblem {
  const isFailure = (code: string): code is FailureCode => Object.hasOwn(FAILURES, code)
  const { code, detail, errors } = details
  if (isFailure(code)) return refusal(code, detail, { param: paramOf(errors?.[0]?.path.split('.') ?? []) })
  return code === 'payload_too_large' ? tooLarge(detail) : refusal('invalid_request', detail, { as: code })
}

/** The first thing that is wrong, in OpenAI's words; it has room for one. */
export function problemOfIssues(issues: readonly z.core.$ZodIssue[]): OpenaiProblem {
  const [issue] = issues
  if (!issue) return refusal('invalid_request', 'The request is invalid.')
  const param = paramOf(issue.path)
  if (issue.code === 'unrecognized_keys') {
    const name = paramOf([...issue.path, (issue.keys[0] ?? '').slice(0, 100)])
    return refusal('invalid_request', `Unknown parameter: '${name}'.`, { param: name, as: 'unknown_parameter' })
  }
  if (issue.code === 'invalid_type' && issue.input === undefined && issue.message.includes('received undefined'))
    return refusal('invalid_request', `Missing required parameter: '${param ?? 'body'}'.`, { param, as: 'missing_required_parameter' })
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : ''
  return refusal('invalid_request', `Invalid value for '${param ?? 'body'}': ${issue.message}${more}`, { param })
}

/** Our path as a caller of OpenAI's API wrote it: `reference_images[0]`, and `size` for its two halves. */
function paramOf(path: readonly PropertyKey[]): string | null {
  const [root, ...rest] = path.map(String)
  if (root === undefined || root === '') return null
  if (root === 'width' || root === 'height') return 'size'
  return [root, ...rest.map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))].join('')
}
