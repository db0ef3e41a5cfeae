import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Problem, ProviderState } from '#contract'

const ProviderList = z.object({ object: z.literal('list'), data: z.array(ProviderState) }).meta({ id: 'ProviderList' })

export interface ProviderSource {
  list(): Promise<readonly ProviderState[]>
}

export interface ProviderDependencies {
  readonly providers: ProviderSource
}

export const providerRoutes: FastifyPluginAsyncZod<ProviderDependencies> = async (app, { providers }) => {
  const schema = { summary: 'Providers: state, load, health, balance', tags: ['catalogue'], response: { 200: ProviderList, 401: Problem } }
  app.get('/v1/providers', { schema, config: { access: 'read' } }, async () => ({
    object: 'list' as const,
    data: [...(await providers.list())],
  }))
}
