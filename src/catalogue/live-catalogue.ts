import type { Config } from '../config/config.ts'
import type { Catalogue } from './catalogue.ts'

/** The installed providers and those of the configuration in force: what is asked of it is answered as of now. */
export function liveCatalogue(installed: Catalogue, config: () => Pick<Config, 'relays'>): Catalogue {
  const now = (): Catalogue => installed.with(config().relays)
  return {
    get providers() {
      return now().providers
    },
    get models() {
      return now().models
    },
    offers: (model) => now().offers(model),
    hasEmulator: (id) => installed.hasEmulator(id),
    with: (manifests) => installed.with(manifests),
    loadEmulator: (id) => installed.loadEmulator(id),
  }
}
