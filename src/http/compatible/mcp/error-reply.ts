import type { FastifyReply } from 'fastify'
import type { ErrorShape } from '../../error-shape.ts'
import type { ProblemDetails } from '../../http-problem.ts'
import { retryAfterHeader, statusOf } from '../../problem.ts'

/** Of JSON-RPC 2.0: what is no JSON, what broke here, and the first of the codes that a server may give a meaning. */
const PARSE_ERROR = -32_700
const INTERNAL_ERROR = -32_603
const REFUSED = -32_000

function codeOf({ code, unreadable }: ProblemDetails): number {
  if (unreadable !== undefined) return PARSE_ERROR
  return code === 'internal' ? INTERNAL_ERROR : REFUSED
}

/** A refusal as the error of a JSON-RPC reply. */
export const rpcErrorOf = (details: ProblemDetails) => ({
  code: codeOf(details),
  message: details.detail,
  data: { code: details.code, status: statusOf(details) },
})

/** A request that did not come as far as the protocol, as a JSON-RPC error to no message in particular; its HTTP status says the same. */
function sendRpcError(reply: FastifyReply, details: ProblemDetails): FastifyReply {
  const status = statusOf(details)
  return reply
    .code(status)
    .headers(retryAfterHeader(details))
    .header('content-type', 'application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send({ jsonrpc: '2.0', id: null, error: rpcErrorOf(details) })
}

/** In JSON-RPC's shape. */
export const MCP_ERRORS: ErrorShape = { prefix: '/mcp', send: sendRpcError }
