import { suggest } from '#contract'
import type { NewGatewayKey } from '#contract'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Config } from '../config/config.ts'
import type { Clock, Log, Store } from '../core/ports.ts'
import { resolveModel } from '../config/offers.ts'
import { suggestModel } from '../config/suggest-model.ts'
import { createGatewayKeys } from '../core/keys/gateway-keys.ts'
import type { GatewayKeys } from '../core/keys/gateway-keys.ts'
import type { KeyWatch } from '../core/keys/key-watch.ts'
import { newNodeSecret } from '../core/webhooks/signature.ts'
import type { KeyRing } from '../http/access.ts'
import type { RateLimit } from '../http/limits/rate.ts'
import type { ObserveLimited } from '../http/limits/refusal.ts'

interface GatewayKeysSources {
  readonly config: () => Config
  readonly store: Store
  readonly clock: Clock
  readonly log: Pick<Log, 'error'>
}

/** The gateway keys of the configuration in force, and those in the store. */
export const openGatewayKeys = async ({ config, store, clock, log }: GatewayKeysSources): Promise<GatewayKeys> =>
  createGatewayKeys({
    store,
    clock,
    log,
    pepper: await store.secret('key-pepper', newNodeSecret()),
    configured: () => config().keys,
  })

/** The keys as the HTTP side asks for them, with the rate of each. */
export function keyRingOf(keys: GatewayKeys, watch: KeyWatch, rate: RateLimit, observeLimited: ObserveLimited): KeyRing {
  return {
    isOn: () => keys.isOn(),
    identify: (secret) => keys.identify(secret),
    whileValid: (secret, caller, end) => watch.whileValid(secret, caller, end),
    async overRate({ key, ratePerMinute }, reply) {
      if (key === null || ratePerMinute === null) return undefined
      const over = await rate.take(key, ratePerMinute, reply)
      if (over !== undefined) observeLimited({ limit: 'requests', of: 'key' })
      return over
    },
  }
}

type Objected = Pick<NewGatewayKey, 'models' | 'providers' | 'expires_at'>

/** What is wrong with a new key: names it is limited to that are not there, or an end that has passed; null where nothing is. */
export const keyObjection =
  (config: () => Config, catalogue: Catalogue, clock: Pick<Clock, 'now'>) =>
  ({ models = [], providers = [], expires_at: end }: Objected): { path: string; message: string } | null => {
    if (end !== undefined && Date.parse(end) <= clock.now())
      return { path: 'expires_at', message: `${end} has passed, so that the key would never count; take a later instant, or none` }
    const model = models.findIndex((name) => resolveModel(config(), catalogue, name) === null)
    if (model !== -1) {
      const remedy = suggestModel(config(), catalogue, models[model] ?? '')
      return { path: `models.${model}`, message: `there is no model ${JSON.stringify(models[model])}; ${remedy}` }
    }
    const provider = providers.findIndex((id) => !config().providers.has(id))
    if (provider === -1) return null
    const known = [...config().providers.keys()]
    return {
      path: `providers.${provider}`,
      message: `there is no provider ${JSON.stringify(providers[provider])}; ${suggest(providers[provider] ?? '', known)}`,
    }
  }
