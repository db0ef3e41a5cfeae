import { z } from 'zod'
import { Problem } from '#contract'
import type { Examples } from '../../openapi/examples.ts'

/** JSON-RPC for the document of our API; the protocol's own library judges what is sent. */
const Message = z
  .looseObject({
    jsonrpc: z.literal('2.0'),
    id: z.union([z.string(), z.number()]).optional(),
    method: z.string(),
    params: z.looseObject({}).optional(),
  })
  .meta({ id: 'McpMessage' })
const McpError = z
  .looseObject({ jsonrpc: z.literal('2.0'), error: z.looseObject({ code: z.number(), message: z.string() }) })
  .meta({ id: 'McpError' })
const Reply = z.looseObject({ jsonrpc: z.literal('2.0'), id: z.union([z.string(), z.number()]).nullable() }).meta({ id: 'McpReply' })

export const MCP_CALL = {
  takes: Message,
  response: {
    200: { description: 'The reply.', content: { 'application/json': { schema: Reply }, 'text/event-stream': { schema: z.string() } } },
    202: z.null().meta({ description: 'A notification was taken.' }),
    400: McpError,
    401: Problem,
    403: Problem,
    406: McpError,
    413: Problem,
    415: Problem,
    429: Problem,
    500: Problem,
    503: Problem,
  },
}

export const MCP_EXAMPLES: Examples = {
  mcpCall: { body: { 'list the tools': { summary: 'List the tools', value: { jsonrpc: '2.0', id: 1, method: 'tools/list' } } } },
}
