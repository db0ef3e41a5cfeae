import type { FastifyPluginAsync } from 'fastify'
import { MCP_ERRORS } from './mcp/error-reply.ts'
import { mcpApi } from './mcp/mcp-server.ts'
import type { McpDependencies } from './mcp/mcp-server.ts'
import type { OpenaiDependencies } from './openai/answer.ts'
import { openaiApi } from './openai/openai-api.ts'

export type OwnPathsDependencies = OpenaiDependencies & McpDependencies

/** How errors leave below their paths, where it is not as our own API says them. */
export const OWN_PATHS_ERRORS = MCP_ERRORS

/** The APIs of others whose paths begin as ours do, or have no prefix of a vendor. */
export const ownPathsApis: FastifyPluginAsync<OwnPathsDependencies> = async (app, deps) => {
  await app.register(openaiApi, deps)
  await app.register(mcpApi, deps)
}

export { reworded } from './openai/error-handler.ts'
