import type { JsonObject, Latency, Offer } from '#contract'
import type { Candidate } from '../core/plan/plan.ts'
import type { Config } from '../config/config.ts'
import { offersOf, resolveModel, withDefaults } from '../config/offers.ts'
import { suggestModel } from '../config/suggest-model.ts'
import type { Catalogue } from './catalogue.ts'
import type { GatewayKeys } from '../core/keys/gateway-keys.ts'
import type { Offers } from '../core/offers.ts'
import type { Breakers } from '../core/scheduling/circuit-breaker.ts'

/** What the core knows of a provider at this moment. */
export interface Measured {
  latency(provider: string, model: string): Latency | null
  /** Free slots, and for how long it starts nothing because it answered 429 (0: it is not paused). Absent: not known. */
  slotState?(provider: string): { readonly free: number; readonly pausedMs: number }
}

export interface OffersDependencies {
  readonly config: () => Config
  readonly catalogue: Catalogue
  readonly measured: Measured
  readonly breakers: Pick<Breakers, 'pause'>
  readonly keys: Pick<GatewayKeys, 'standing' | 'allRules'>
}

const NO_OPTIONS: JsonObject = {}

const unusables = new WeakMap<Offer, Candidate & { readonly unavailable: string }>()

function unusable(offer: Offer, unavailable: string): Candidate {
  const known = unusables.get(offer)
  if (known?.unavailable === unavailable) return known
  const candidate = { offer, unavailable, latency: null, options: NO_OPTIONS }
  unusables.set(offer, candidate)
  return candidate
}

/** What can be bought, from the configuration in force and what has been measured. */
export function createOffers({ config, catalogue, measured, breakers, keys }: OffersDependencies): Offers {
  function availability(provider: string): Pick<Candidate, 'unavailable' | 'retryAfterMs' | 'pausedMs' | 'isFull'> {
    const disabled = config().providers.get(provider)?.reason ?? null
    if (disabled !== null) return { unavailable: disabled }
    const pause = breakers.pause(provider)
    if (pause) return { unavailable: pause.reason, retryAfterMs: pause.retryAfterMs }
    const slots = measured.slotState?.(provider)
    return { unavailable: null, ...(slots && { pausedMs: slots.pausedMs, isFull: slots.free <= 0 }) }
  }

  function candidate(offer: Offer, model: string, options: JsonObject): Candidate {
    const { provider } = offer
    const latency = measured.latency(provider, model)
    const disabled = config().providers.get(provider)?.reason ?? null
    // A candidate that cannot be used and of which nothing is measured is one object, so that a plan knows it again.
    if (disabled !== null && latency === null && options === NO_OPTIONS) return unusable(offer, disabled)
    return { offer, ...availability(provider), latency, options }
  }

  return {
    resolve(request) {
      const resolved = resolveModel(config(), catalogue, request.model)
      if (!resolved) return null
      const { model, pinned, rule, defaults } = resolved
      return { request: withDefaults(request, defaults), model, pinned, rule }
    },
    candidates: (model, options) =>
      offersOf(config(), catalogue, model).map((offer) => candidate(offer, model, options[offer.provider] ?? NO_OPTIONS)),
    providers: () => [...catalogue.providers.keys()],
    suggestModel: (name, allowed) => suggestModel(config(), catalogue, name, allowed),
    safetyOptions: (provider) => catalogue.providers.get(provider)?.manifest.safety_options ?? [],
    ofModel: (model) => offersOf(config(), catalogue, model),
    standing: (key) => keys.standing(key),
    keys: () => keys.allRules(),
  }
}
