import { z } from 'zod'
import { noSuchModel } from '../../../../core/generation/names.ts'
import { modelsFor } from '../../../listed-for.ts'
import type { ModelSource } from '../../../api/models.ts'
import { ModelFacts, modelFact, modelText } from '../model-facts.ts'
import { defineTool } from '../tool.ts'

export const listModels = (models: ModelSource) =>
  defineTool({
    name: 'list_models',
    title: 'List image models',
    description:
      'The image models there are, and for each its providers: price, size limits, largest size in megapixels, how many reference images. Free. ' +
      'Call it first.',
    arguments: z.strictObject({
      model: z.string().min(1).max(200).optional().describe('List this model only: an id, an alias, or "provider/model".'),
    }),
    facts: ModelFacts,
    annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    async run({ model }, caller) {
      const own = modelsFor(models, caller)
      const found = model === undefined ? own.list() : [own.find(model)].filter((each) => each !== null)
      if (model !== undefined && found.length === 0) {
        throw noSuchModel(model, own.suggest(model))
      }
      const facts = { models: found.map(modelFact) }
      return { facts, text: facts.models.map(modelText).join('\n') }
    },
  })
