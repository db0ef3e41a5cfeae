import type { CallToolResult } from '@modelcontextprotocol/server'
import type { FastifyBaseLogger } from 'fastify'
import { FAILURES } from '#contract'
import type { FailureCode, ProblemCode } from '#contract'
import { Refusal } from '../../../core/generation/accept.ts'
import { IdempotencyMismatch } from '../../../core/generation/idempotency.ts'
import { HttpProblem } from '../../problem.ts'

interface Told {
  readonly code: ProblemCode
  readonly message: string
  readonly errors?: readonly { readonly path: string; readonly message: string }[]
}

/** Everything a tool may throw, as a result a model can read and act on: code, message, remedy. What was not expected is logged and told without its text. */
export function toolError(error: unknown, log: FastifyBaseLogger): CallToolResult {
  const told = toldOf(error)
  if (told === null) log.error({ err: error }, 'a tool call failed unexpectedly')
  return { content: [{ type: 'text', text: textOf(told ?? UNEXPECTED) }], isError: true }
}

const UNEXPECTED: Told = {
  code: 'internal',
  message: 'An unexpected error; the server log says more. Whether anything was bought is not known.',
}

/** Fields that the message does not already tell follow it, one a line. */
function textOf({ code, message, errors = [] }: Told): string {
  const fields = errors
    .filter(({ path, message: own }) => path !== '' && !message.includes(own))
    .map(({ path, message: own }) => `- ${path}: ${own}`)
  return [`${code}: ${message}`, ...fields, `Remedy: ${remedyOf(code)}`].join('\n')
}

function toldOf(error: unknown): Told | null {
  if (error instanceof Refusal)
    return error.code === 'no_eligible_offer' ? { code: error.code, message: withOwnCeiling(error.message) } : error
  if (error instanceof HttpProblem) {
    const { code, detail, errors } = error.details
    return { code, message: detail, ...(errors ? { errors } : {}) }
  }
  if (error instanceof IdempotencyMismatch) {
    return { code: 'invalid_request', message: `idempotency_key: ${error.message}; send the same arguments or another key.` }
  }
  return null
}

/** What the caller can do, in the words of the tools. */
export function remedyOf(code: ProblemCode): string {
  switch (code) {
    case 'invalid_request':
      return 'Correct the arguments named here and call again; nothing was bought.'
    case 'rate_limited':
      return 'Try again after a while.'
    case 'model_not_found':
      return `${FAILURES[code].remedy} The tool list_models tells them.`
    case 'no_eligible_offer':
      return `${FAILURES[code].remedy} The tool quote tells each offer’s price and limits, and spends nothing.`
    case 'not_found':
      return 'Use an id that generate or compare returned; a key sees its own generations only.'
    case 'gone':
      return 'It is no longer kept; generate it again.'
    case 'payload_too_large':
      return 'Send less: references as links instead of data.'
    case 'unsupported_media_type':
      return 'Send JSON.'
    default:
      return FAILURES[code satisfies FailureCode].remedy
  }
}

/** What each offer refuses, in one message; the ceiling is an argument of its own here. */
const withOwnCeiling = (text: string): string => text.replaceAll('provider.max_price_usd', 'max_price_usd')
