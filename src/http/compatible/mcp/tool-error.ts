import type { CallToolResult } from '@modelcontextprotocol/server'
import type { Log } from '../../../core/ports.ts'
import { FAILURES } from '#contract'
import type { FailureCode, ProblemCode } from '#contract'
import { toProblem } from '../../to-problem.ts'
import type { ProblemDetails } from '../../http-problem.ts'

/** Everything a tool may throw, as a result a model can read and act on: code, message, remedy. What was not expected is logged. */
export function toolError(error: unknown, log: Pick<Log, 'error'>): CallToolResult {
  const problem = toProblem(error)
  if (problem.code === 'internal') log.error({ err: error }, 'a tool call failed unexpectedly')
  return { content: [{ type: 'text', text: textOf(problem) }], isError: true }
}

/** Fields that the message does not already name follow it, one a line. */
function textOf({ code, detail, errors = [] }: ProblemDetails): string {
  const fields = errors
    .filter(({ path, message }) => path !== '' && !detail.includes(message))
    .map(({ path, message }) => `- ${path}: ${message}`)
  return [`${code}: ${inOwnNames(detail, code)}`, ...fields, `Remedy: ${remedyOf(code)}`].join('\n')
}

/** What the caller can do, in the words of the tools. */
export function remedyOf(code: ProblemCode): string {
  switch (code) {
    case 'invalid_request':
      return 'Correct the arguments named here and call again; nothing was bought.'
    case 'rate_limited':
      return 'Try again after a while.'
    case 'model_not_found':
      return `${FAILURES[code].remedy} The tool list_models lists them.`
    case 'no_eligible_offer':
      return `${FAILURES[code].remedy} The tool quote returns each offer’s price and limits, and spends nothing.`
    case 'not_found':
      return 'Use an id that generate or compare returned; a key sees its own generations only.'
    case 'gone':
      return 'It is no longer kept; generate it again.'
    case 'payload_too_large':
      return 'Send less: references as links instead of data.'
    case 'unsupported_media_type':
    case 'method_not_allowed':
      return 'POST JSON.'
    case 'gateway_unavailable':
    case 'store_unavailable':
      return 'Try again later.'
    default:
      return FAILURES[code satisfies FailureCode].remedy
  }
}

/** Two arguments have another name in a request: the ceiling, of which an offer may speak, and the idempotency key. */
const inOwnNames = (text: string, code: ProblemCode): string =>
  (code === 'no_eligible_offer' ? text.replaceAll('provider.max_price_usd', 'max_price_usd') : text).replace(
    /^this Idempotency-Key was used with another body; .*/,
    'idempotency_key: it was used with other arguments; send the same arguments or another key.',
  )
