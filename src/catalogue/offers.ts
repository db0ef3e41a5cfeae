import type { JsonObject } from '#contract'
import type { Candidate } from '../core/plan/plan.ts'
import type { Config } from '../config/config.ts'
import { offersOf, resolveModel, withDefaults } from '../config/offers.ts'
import type { Catalogue } from './catalogue.ts'
import type { Offers } from '../core/plan/offers.ts'
import type { Run } from '../core/generation/run.ts'
import type { Breakers } from '../core/scheduling/circuit-breaker.ts'

/** What can be bought, from the configuration in force and what has been measured. */
export function createOffers(
  config: () => Config,
  catalogue: Catalogue,
  measured: Pick<Run, 'latency'>,
  breakers: Pick<Breakers, 'pause'>,
): Offers {
  function availability(provider: string): Pick<Candidate, 'unavailable' | 'retryAfterMs'> {
    const disabled = config().providers.get(provider)?.reason ?? null
    if (disabled !== null) return { unavailable: disabled }
    const pause = breakers.pause(provider)
    return pause ? { unavailable: pause.reason, retryAfterMs: pause.retryAfterMs } : { unavailable: null }
  }

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
        ...availability(offer.provider),
        latency: measured.latency(offer.provider, model),
        options: options[offer.provider] ?? {},
      }))
    },

    ofModel: (model) => offersOf(config(), catalogue, model),
    key: (name) => config().keys.find((key) => key.name === name) ?? null,
    keys: () => config().keys,
  }
}
