import type { FastifyBaseLogger } from 'fastify'
import type { Provider } from '#contract'
import type { Config } from '../config/config.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { ActiveProvider, Availability, Settings } from '../core/ports.ts'
import type { Breakers } from '../core/scheduling/circuit-breaker.ts'
import type { TransportConfig } from '../transport/index.ts'

/** Space for a batch of inline images. */
const LEAST_REPLY_BYTES = 67_108_864

/** Providers with a key, and what may be reached. */
export function transportConfig(config: Config, installed: Catalogue, log: FastifyBaseLogger): TransportConfig {
  const providers = [...installed.with(config.relays).providers.values()].flatMap(({ id, manifest }) => {
    const settings = config.providers.get(id)
    return settings?.apiKey ? [{ id, manifest, baseUrl: settings.baseUrl, apiKey: settings.apiKey }] : []
  })
  const { allow, proxy } = config.network
  // The emulators run on this machine, whatever the way out is.
  const direct = config.sandbox ? providers.map(({ baseUrl }) => new URL(baseUrl).host) : []
  // An image in base64 is a third longer than its bytes.
  const maxReplyBytes = Math.max(LEAST_REPLY_BYTES, Math.ceil(config.assets.maxImageBytes * 1.4))
  return { providers, allow, log, maxReplyBytes, proxy: proxy && { url: proxy.url, noProxy: [...proxy.noProxy, ...direct] } }
}

export interface SettingsDependencies {
  readonly config: () => Config
  readonly catalogue: Catalogue
  readonly breakers: Pick<Breakers, 'pause'>
  /** Instead of every provider's own deadline: for tests. */
  readonly deadlineMs?: number | undefined
}

/** What the core reads of the configuration in force. */
export function settingsOf({ config, catalogue, breakers, deadlineMs }: SettingsDependencies): Settings {
  const active = activeProviders({ config, catalogue, deadlineMs })
  return {
    get sandbox() {
      return config().sandbox
    },
    get keepImages() {
      return config().assets.keep
    },
    get slotWaitMs() {
      return config().routing.slotWaitMs
    },
    get maxImageBytes() {
      return config().assets.maxImageBytes
    },
    provider: (id) => active().get(id) ?? null,
    availability(id) {
      const provider = config().providers.get(id)
      if (provider === undefined) return { kind: 'off', reason: 'it is neither installed nor in the configuration' }
      if (provider.reason !== null) return { kind: 'off', reason: provider.reason }
      const pause = breakers.pause(id)
      return pause ? { kind: 'paused', ...pause } : OPEN
    },
  }
}

const OPEN: Availability = { kind: 'open' }

/** All providers with their limits. Rebuilt only when the configuration was swapped. */
function activeProviders({
  config,
  catalogue,
  deadlineMs,
}: Omit<SettingsDependencies, 'breakers'>): () => ReadonlyMap<string, ActiveProvider> {
  let from: Config['providers'] | null = null
  let active: ReadonlyMap<string, ActiveProvider> = new Map()
  return () => {
    const { providers } = config()
    if (providers !== from) {
      from = providers
      active = new Map(
        [...catalogue.providers].map(([id, provider]) => {
          const maxInFlight = providers.get(id)?.maxInFlight ?? provider.manifest.max_in_flight
          return [id, { ...(deadlineMs === undefined ? provider : withDeadline(provider, deadlineMs)), maxInFlight }]
        }),
      )
    }
    return active
  }
}

function withDeadline(provider: Provider, deadlineMs: number): Provider {
  const { manifest } = provider
  return { ...provider, manifest: { ...manifest, timeouts: { ...manifest.timeouts, deadline_ms: deadlineMs } } }
}
