import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import type { AuthInfo } from '@modelcontextprotocol/server'
import { toNodeHandler } from '@modelcontextprotocol/node'
import type { NodeIncomingMessageLike } from '@modelcontextprotocol/node'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Compare } from '../../../core/comparisons/compare.ts'
import type { Costs } from '../../../core/billing/cost-report.ts'
import type { Accept } from '../../../core/generation/accept.ts'
import type { Log, Store } from '../../../core/ports.ts'
import type { ModelSource } from '../../api/models.ts'
import { EVERYBODY, refusalOfScope } from '../../access.ts'
import type { Caller, KeyRing } from '../../access.ts'
import type { HttpProblem } from '../../http-problem.ts'
import type { Intake } from '../../intake.ts'
import { loggedProblem, noRoute } from '../../problem.ts'
import { refuseOverRate, withinRate } from './batch.ts'
import { MCP_CALL } from './documented.ts'
import { MCP_ERRORS } from './error-reply.ts'
import { toolError } from './tool-error.ts'
import type { Tool } from './tool.ts'
import { compareProviders } from './tools/compare.ts'
import { readCosts } from './tools/costs.ts'
import { generate } from './tools/generate.ts'
import { getGeneration } from './tools/get-generation.ts'
import { listModels } from './tools/list-models.ts'
import { quote } from './tools/quote.ts'
import type { ImageLinks } from '../../../core/present/image-link.ts'

export interface McpDependencies {
  readonly keys: Pick<KeyRing, 'overRate'>
  readonly intake: Pick<Intake, 'read' | 'begin' | 'wait'>
  readonly accept: Pick<Accept, 'quote'>
  readonly store: Pick<Store, 'generation'>
  readonly models: ModelSource
  readonly links: ImageLinks
  readonly log: Log
  /** Of the gateway. */
  readonly version: string
  /** Without it the tool `compare` is not listed. */
  readonly compare?: Pick<Compare, 'begin' | 'show'>
  /** Without it the tool `costs` is not listed. */
  readonly costs?: Pick<Costs, 'report'>
}

const INSTRUCTIONS =
  'Images from several paid providers behind one interface. Usual order: list_models (which models there are), quote (what it would cost, free), ' +
  'generate with max_price_usd (spends money), get_generation if it was not finished. Results are links to images; show them to the user as links.'

/**
 * `/mcp`: the gateway as tools for agents, over MCP's streamable HTTP, for clients of the revision 2026-07-28 and of the ones before it.
 * No sessions: every request stands alone, so a restart breaks no client. Must be registered where a gateway key is asked for.
 */
export const mcpApi: FastifyPluginAsync<McpDependencies> = async (app, deps) => {
  const tools: readonly Tool[] = [
    listModels(deps.models),
    quote(deps),
    generate(deps),
    ...(deps.compare ? [compareProviders(deps, deps.compare)] : []),
    getGeneration(deps),
    ...(deps.costs ? [readCosts(deps.costs)] : []),
  ]
  const handler = createMcpHandler(
    ({ authInfo }) => serverFor(tools, deps, (authInfo?.extra as Inside | undefined) ?? { caller: EVERYBODY, over: null }),
    {
      onerror: (error) => deps.log.info({ reason: error.message.slice(0, 200) }, 'an MCP message was refused'),
    },
  )
  const serve = toNodeHandler(handler)
  // Streams that are open would keep the server from closing.
  app.addHook('preClose', () => handler.close())

  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { body, over } = await withinRate(deps.keys, request, reply)
    reply.hijack()
    // What hooks gave the answer: a page of another origin reads it only with the headers of CORS.
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) reply.raw.setHeader(name, value)
    // Node's own message; its optional fields are declared another way.
    const raw = request.raw as NodeIncomingMessageLike
    await serve(Object.assign(raw, { auth: authOf({ caller: request.caller, over }) }), reply.raw, body)
  }
  const schema = {
    operationId: 'mcpCall',
    summary: 'Tools for agents (MCP)',
    description: `Model Context Protocol over streamable HTTP, without sessions. Tools: ${tools.map(({ name }) => `\`${name}\``).join(', ')}.`,
    tags: ['compatible APIs'],
    ...MCP_CALL,
  }
  const config = { access: 'read', ownPagesOnly: true } as const
  await app.register(
    async (api) => {
      api.setErrorHandler((error, request, reply) => MCP_ERRORS.send(reply, loggedProblem(error, request)))
      api.setNotFoundHandler((request, reply) => MCP_ERRORS.send(reply, noRoute(request, reply)))
      api.post('', { schema, config }, answer)
      // Answered with 405: there is no session to listen to or to end.
      api.route({ method: ['GET', 'DELETE'], url: '', schema: { hide: true }, config, handler: answer })
    },
    { prefix: MCP_ERRORS.prefix },
  )
}

/** A server lives for one request; its tools are made once. */
function serverFor(tools: readonly Tool[], { version, log }: McpDependencies, { caller, over }: Inside): McpServer {
  const server = new McpServer(
    { name: 'imagegate', title: 'imagegate', version },
    { capabilities: { tools: { listChanged: false } }, instructions: INSTRUCTIONS },
  )
  for (const { name, config, call, scope } of tools) {
    // A tool that the key may not use is not listed.
    if (refusalOfScope(caller, scope)) continue
    server.registerTool(name, config, (given) => call(given, caller).catch((error: unknown) => toolError(error, log)))
  }
  if (over !== null) refuseOverRate(server, over)
  return server
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
