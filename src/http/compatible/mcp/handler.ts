import type { ServerResponse } from 'node:http'
import { createMcpHandler, McpServer, ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server'
import type { AuthInfo } from '@modelcontextprotocol/server'
import { toNodeHandler } from '@modelcontextprotocol/node'
import type { NodeIncomingMessageLike } from '@modelcontextprotocol/node'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Log } from '../../../core/ports.ts'
import { KEPT_AND_CHANGED_BY_NOBODY } from '../../event-stream.ts'
import { littleTurn } from '../../../reading/turn-share.ts'
import { EVERYBODY, refusalOfScope } from '../../access.ts'
import type { Caller } from '../../access.ts'
import type { HttpProblem } from '../../http-problem.ts'
import { OVER_RATE } from './batch.ts'
import type { WithinRate } from './batch.ts'
import { rpcErrorOf } from './error-reply.ts'
import { toolError } from './tool-error.ts'
import type { Tool } from './tool.ts'

export interface HandlerDependencies {
  readonly log: Log
  /** Of the gateway. */
  readonly version: string
}

export interface McpHandler {
  /** Writes the answer of the protocol's library to the hijacked reply. */
  answer(request: FastifyRequest, reply: FastifyReply, message: WithinRate): Promise<void>
  close(): Promise<void>
}

const INSTRUCTIONS =
  'Images from several paid providers behind one interface. Usual order: list_models (which models there are), quote (what it would cost, free), ' +
  'generate with max_price_usd (spends money), get_generation if it was not finished. Results are links to images; show them to the user as links.'

/** The protocol itself. The first message loads this file: its libraries took an eighth of a start. */
export function createHandler(tools: readonly Tool[], deps: HandlerDependencies): McpHandler {
  const handler = createMcpHandler(
    ({ authInfo }) => serverFor(tools, deps, (authInfo?.extra as Inside | undefined) ?? { caller: EVERYBODY, over: null }),
    {
      onerror: (error) => deps.log.info({ reason: error.message.slice(0, 200) }, 'an MCP message was refused'),
    },
  )
  const serve = toNodeHandler(handler)
  return {
    async answer(request, reply, { body, over }) {
      // A server is made for each request, in a millisecond: many at once wait for each other, and nobody else for them.
      await littleTurn(request.caller.key ?? '', 0)
      // Node's own message; its optional fields are declared another way.
      const raw = request.raw as NodeIncomingMessageLike
      // Who takes anything, as curl does unless it is asked to say more, takes both.
      if (/(?:^|,)\s*\*\/\*/.test(request.headers.accept ?? '*/*')) raw.headers['accept'] = 'application/json, text/event-stream'
      keepOwnHeaders(reply.raw)
      await serve(Object.assign(raw, { auth: authOf({ caller: request.caller, over }) }), reply.raw, body)
    },
    close: () => handler.close(),
  }
}

/**
 * The library says of every stream that its connection is kept, and that caches may keep it. Whether a connection stays is the client's to say, and
 * the server's that stops; an answer to a key is kept by no cache.
 */
function keepOwnHeaders(response: ServerResponse): void {
  const writeHead = response.writeHead.bind(response)
  response.writeHead = (status: number, ...given: unknown[]) => {
    const [headers = {}] = given as [Readonly<Record<string, string>>?]
    const own = Object.entries(headers).filter(([, value]) => value !== 'keep-alive')
    return writeHead(status, { ...Object.fromEntries(own), 'cache-control': KEPT_AND_CHANGED_BY_NOBODY })
  }
}

/** A server lives for one request; its tools are made once. */
function serverFor(tools: readonly Tool[], { version, log }: HandlerDependencies, { caller, over }: Inside): McpServer {
  const server = new McpServer(
    { name: 'imagegate', title: 'imagegate', version },
    { capabilities: { tools: { listChanged: false } }, instructions: INSTRUCTIONS },
  )
  for (const { name, config, call, scope } of tools) {
    // A tool that the key may not use is not listed.
    if (refusalOfScope(caller, scope)) continue
    server.registerTool(name, config, async (given) => {
      // A batch holds many calls.
      await littleTurn(caller.key ?? '', 0)
      return call(given, caller).catch((error: unknown) => toolError(error, log))
    })
  }
  if (over !== null) refuseOverRate(server, over)
  return server
}

/** Gives the refused calls of a batch their answer: an error each, in the words of JSON-RPC. */
function refuseOverRate({ server }: McpServer, over: HttpProblem): void {
  server.fallbackRequestHandler = async ({ method }) => {
    if (method !== OVER_RATE) throw new ProtocolError(ProtocolErrorCode.MethodNotFound, 'Method not found')
    const { code, message, data } = rpcErrorOf(over.details)
    throw new ProtocolError(code, message, data)
  }
}

interface Inside {
  readonly caller: Caller
  /** Why calls of this batch are refused; null where none is. */
  readonly over: HttpProblem | null
}

/** Who asks travels in what the protocol leaves free; the key itself goes nowhere. */
const authOf = (inside: Inside): AuthInfo => ({
  token: '',
  clientId: inside.caller.key ?? '',
  scopes: [],
  extra: { ...inside },
})
