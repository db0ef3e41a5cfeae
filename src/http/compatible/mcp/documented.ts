import { z } from 'zod'
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
  .looseObject({
    jsonrpc: z.literal('2.0'),
    id: z.union([z.string(), z.number()]).nullish(),
    error: z.looseObject({ code: z.number().int(), message: z.string() }),
  })
  .meta({ id: 'McpError' })
const Reply = z.looseObject({ jsonrpc: z.literal('2.0'), id: z.union([z.string(), z.number()]).nullable() }).meta({ id: 'McpReply' })

export const MCP_CALL = {
  takes: Message,
  response: {
    200: { description: 'The reply.', content: { 'application/json': { schema: Reply }, 'text/event-stream': { schema: z.string() } } },
    202: z.null().meta({ description: 'A notification was taken.' }),
    ...Object.fromEntries([400, 401, 403, 406, 413, 414, 415, 429, 500, 503].map((status) => [status, McpError])),
  },
}

export const MCP_EXAMPLES: Examples = {
  mcpCall: { body: { 'list the tools': { summary: 'List the tools', value: { jsonrpc: '2.0', id: 1, method: 'tools/list' } } } },
}
