import type { JsonObject } from '#contract'
import type { Config } from '../config/config.ts'
import { offersOf, resolveModel, withDefaults } from '../config/offers.ts'
import type { Catalogue } from '../registry/catalogue.ts'
import type { Market } from '../run/accept.ts'
import type { Run } from '../run/generate.ts'

/** What is for sale, from the configuration in force and what has been measured. */
export function createMarket(config: () => Config, catalogue: Catalogue, measured: Pick<Run, 'latency'>): Market {
  return {
    resolve(request) {
      const resolved = resolveModel(config(), catalogue, request.model)
      if (!resolved) return null
      const { model, pinned, rule, defaults } = resolved
      return { request: withDefaults(request, defaults), model, pinned, rule }
    },

    candidates(model, options: Readonly<Record<string, JsonObject>>) {
      return offersOf(config(), catalogue, model).map((offer) => ({
        offer,
        unavailable: config().providers.get(offer.provider)?.reason ?? null,
        latency: measured.latency(offer.provider, model),
        options: options[offer.provider] ?? {},
      }))
    },

    offers: (model) => offersOf(config(), catalogue, model),
    key: (name) => config().keys.find((key) => key.name === name) ?? null,
    keys: () => config().keys,
  }
}
