import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PriceEntry, Problem, type Offer } from '#contract'
import { priceExamples } from '../../core/plan/price-examples.ts'
import type { Clock } from '../../core/ports.ts'
import { modelsFor } from '../listed-for.ts'
import type { ModelSource } from '../model-source.ts'

const PriceList = z.object({ object: z.literal('list'), data: z.array(PriceEntry) }).meta({ id: 'PriceList' })

const DAY_MS = 86_400_000
/** A price that was read longer ago is doubted. */
const OLD_DAYS = 60

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
        return offersOf(id).flatMap((offer) => (shown.has(offer.provider) ? [entryOf(offer, clock.now())] : []))
      }),
  }))
}

function entryOf(offer: Offer, nowMs: number): PriceEntry {
  const { model, provider, providerModel, price, surchargePercent } = offer
  return {
    object: 'price',
    model,
    provider,
    provider_model: providerModel,
    currency: 'USD',
    price,
    as_of: price?.as_of ?? null,
    surcharge_percent: surchargePercent ?? null,
    examples: priceExamples(offer),
    warning: price === null ? null : ageWarning(price.as_of, nowMs),
    source_url: price?.source_url ?? null,
  }
}

function ageWarning(asOf: string, nowMs: number): string | null {
  const days = Math.floor((nowMs - Date.parse(asOf)) / DAY_MS)
  return days > OLD_DAYS ? `read ${days} days ago: read it again at its source` : null
}
