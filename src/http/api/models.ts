import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Model, Problem } from '#contract'
import { modelsFor } from '../listed-for.ts'
import type { ModelSource } from '../model-source.ts'
import { noSuchModel } from '../../core/generation/names.ts'

export type { ModelSource }

const ModelList = z.object({ object: z.literal('list'), data: z.array(Model) }).meta({ id: 'ModelList' })

export interface ModelDependencies {
  readonly models: ModelSource
}

export const modelRoutes: FastifyPluginAsyncZod<ModelDependencies> = async (app, { models }) => {
  const list = {
    operationId: 'listModels',
    summary: 'Models and who offers them',
    tags: ['catalogue'],
    response: { 200: ModelList, 401: Problem },
  }
  app.get('/v1/models', { schema: list, config: { access: 'read' } }, async (request) => ({
    object: 'list' as const,
    data: [...modelsFor(models, request.caller).list()],
  }))

  const show = {
    operationId: 'getModel',
    summary: 'One model',
    tags: ['catalogue'],
    params: z.object({ '*': z.string().max(200) }),
    response: { 200: Model, 401: Problem, 404: Problem },
  }
  // A pinned name holds a slash.
  app.get('/v1/models/*', { schema: show, config: { access: 'read' } }, async (request) => {
    const id = request.params['*']
    const own = modelsFor(models, request.caller)
    const model = own.find(id)
    if (!model) throw noSuchModel(id, own.suggest(id))
    return model
  })
}
