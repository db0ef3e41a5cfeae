import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PriceEntry, Problem } from '#contract'
import { modelsFor } from '../listed-for.ts'
import type { ModelSource } from '../model-source.ts'

const PriceList = z.object({ object: z.literal('list'), data: z.array(PriceEntry) }).meta({ id: 'PriceList' })

export interface PriceDependencies {
  readonly models: ModelSource
}

/** The whole catalogue of prices as data: an entry for each offer, unpriced ones included. */
export const priceRoutes: FastifyPluginAsyncZod<PriceDependencies> = async (app, { models }) => {
  const schema = {
    operationId: 'listPrices',
    summary: 'What every offer costs: the rule, its day and its source',
    description: 'As configured now: the operator’s own prices and discounts are applied. `null` where nobody publishes a price.',
    tags: ['catalogue'],
    response: { 200: PriceList, 401: Problem },
  }
  app.get('/v1/prices', { schema, config: { access: 'read' } }, async (request) => ({
    object: 'list' as const,
    data: modelsFor(models, request.caller)
      .list()
      .flatMap((model) => (model.alias_of === null ? model.offers.map((offer) => entryOf(model.id, offer)) : [])),
  }))
}

type ListedOffer = ReturnType<ModelSource['list']>[number]['offers'][number]

const entryOf = (model: string, { provider, provider_model, price, surcharge_percent }: ListedOffer): PriceEntry => ({
  object: 'price',
  model,
  provider,
  provider_model,
  currency: 'USD',
  price,
  surcharge_percent,
  as_of: price?.as_of ?? null,
  source_url: price?.source_url ?? null,
})
