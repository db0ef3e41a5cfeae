import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PriceEntry, Problem, type Offer } from '#contract'
import { priceEntry } from '../../core/plan/price-entry.ts'
import type { Clock } from '../../core/ports.ts'
import { modelsFor } from '../listed-for.ts'
import type { ModelSource } from '../model-source.ts'

const PriceList = z.object({ object: z.literal('list'), data: z.array(PriceEntry) }).meta({ id: 'PriceList' })

export interface PriceDependencies {
  readonly models: ModelSource
  /** Every offer of a model, as configured now. */
  readonly offersOf: (model: string) => readonly Offer[]
  readonly clock: Pick<Clock, 'now'>
}

/** The whole catalogue of prices as data: an entry for each offer, unpriced ones included. */
export const priceRoutes: FastifyPluginAsyncZod<PriceDependencies> = async (app, { models, offersOf, clock }) => {
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
      .flatMap(({ id, alias_of, offers }) => {
        if (alias_of !== null) return []
        const shown = new Set(offers.map(({ provider }) => provider))
        return offersOf(id).flatMap((offer) => (shown.has(offer.provider) ? [priceEntry(offer, clock.now())] : []))
      }),
  }))
}
