import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Compare } from '../../../core/comparisons/compare.ts'
import type { Costs } from '../../../core/billing/cost-report.ts'
import type { Accept } from '../../../core/generation/accept.ts'
import type { Store } from '../../../core/ports.ts'
import type { ModelSource } from '../../api/models.ts'
import type { KeyRing } from '../../access.ts'
import type { Intake } from '../../intake.ts'
import { loggedProblem, noRoute } from '../../problem.ts'
import { releaseAtEnd } from '../../read-body.ts'
import { withinRate } from './batch.ts'
import { MCP_CALL } from './documented.ts'
import { MCP_ERRORS } from './error-reply.ts'
import type { HandlerDependencies, McpHandler } from './handler.ts'
import type { Tool } from './tool.ts'
import { compareProviders } from './tools/compare.ts'
import { readCosts } from './tools/costs.ts'
import { generate } from './tools/generate.ts'
import { getGeneration } from './tools/get-generation.ts'
import { listModels } from './tools/list-models.ts'
import { quote } from './tools/quote.ts'
import type { ImageLinks } from '../../../core/present/image-link.ts'

export interface McpDependencies extends HandlerDependencies {
  readonly keys: Pick<KeyRing, 'overRate'>
  readonly intake: Pick<Intake, 'read' | 'begin' | 'wait'>
  readonly accept: Pick<Accept, 'quote'>
  readonly store: Pick<Store, 'generation'>
  readonly models: ModelSource
  readonly links: ImageLinks
  /** Without it the tool `compare` is not listed. */
  readonly compare?: Pick<Compare, 'begin' | 'answer'>
  /** Without it the tool `costs` is not listed. */
  readonly costs?: Pick<Costs, 'report'>
}

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
  let loading: Promise<McpHandler> | null = null
  const load = () => import('./handler.ts').then(({ createHandler }) => createHandler(tools, deps))
  // A load that failed is tried again by the next message.
  const handler = () => (loading ??= load().catch((error: unknown) => ((loading = null), Promise.reject(error))))
  // Streams that are open would keep the server from closing.
  app.addHook('preClose', async () => (await loading)?.close())

  const respond = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const [{ answer }, message] = await Promise.all([handler(), withinRate(deps.keys, request, reply)])
    reply.hijack()
    releaseAtEnd(reply)
    // What hooks gave the answer: a page of another origin reads it only with the headers of CORS.
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) reply.raw.setHeader(name, value)
    await answer(request, reply, message)
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
      api.post('', { schema, config }, respond)
      // Answered with 405: there is no session to listen to or to end.
      api.route({ method: ['GET', 'DELETE'], url: '', schema: { hide: true }, config, handler: respond })
    },
    { prefix: MCP_ERRORS.prefix },
  )
}
