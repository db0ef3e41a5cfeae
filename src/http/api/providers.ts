import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { mayUseProvider } from '../../core/keys/may-use.ts'
import { ConfigurationState, Problem, ProviderState } from '#contract'

const ProviderList = z
  .object({ object: z.literal('list'), data: z.array(ProviderState), configuration: ConfigurationState })
  .meta({ id: 'ProviderList' })

export interface ProviderSource {
  list(): Promise<readonly ProviderState[]>
  configuration(): ConfigurationState
}

export interface ProviderDependencies {
  readonly providers: ProviderSource
}

export const providerRoutes: FastifyPluginAsyncZod<ProviderDependencies> = async (app, { providers }) => {
  const schema = {
    operationId: 'listProviders',
    summary: 'Providers: state, load, health, balance',
    tags: ['catalogue'],
    response: { 200: ProviderList, 401: Problem },
  }
  app.get('/v1/providers', { schema, config: { access: 'read' } }, async (request) => ({
    object: 'list' as const,
    data: (await providers.list()).filter(({ id }) => mayUseProvider(request.caller.providers, id)),
    configuration: providers.configuration(),
  }))
}
