import { withoutTrailing, type Manifest } from '#contract'
import { Secret } from '../transport/secret.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Config, OperatorPrices, ProviderConfig } from './config.ts'
import type { ConfigDocument } from './document.ts'
import type { Variables } from './environment.ts'
import { inEnvironment, type ConfigProblem } from './problem.ts'
import type { ConfigFile, ProviderSettings } from './schema.ts'

interface ProviderSources {
  readonly file: ConfigFile
  readonly document: ConfigDocument
  readonly variables: Variables
  readonly catalogue: Catalogue
  /** The day the file was last written, ISO 8601. */
  readonly writtenOn: string
  readonly problems: ConfigProblem[]
}

/**
 * Which providers are real. With no key anywhere, all are played by emulators; with one key, that provider is real and
 * those without a key are disabled and say why. Sandbox and real vendors are never mixed.
 */
export function providersOf(sources: ProviderSources): Pick<Config, 'sandbox' | 'providers'> {
  const { file, catalogue, writtenOn } = sources
  const installed = [...catalogue.providers.values()]
  const keys = new Map(installed.map(({ id, manifest }) => [id, readKey(id, manifest, sources)]))
  const sandbox = [...keys.values()].every((key) => key === null)
  const providers = installed.map(({ id, manifest }): ProviderConfig => {
    const settings = file.providers?.[id] ?? {}
    const apiKey = keys.get(id) ?? null
    const isPlayed = sandbox && catalogue.hasEmulator(id)
    const named = sources.document.variables(['providers', id, 'api_key'])
    const remedy =
      named.length === 0
        ? `set ${manifest.auth.env} or providers.${id}.api_key`
        : `set ${named.join(' and ')}, which providers.${id}.api_key names`
    const reason = reasonToDisable(id, settings, { isReached: isPlayed || apiKey !== null, sandbox, remedy })
    return {
      id,
      enabled: reason === null,
      reason,
      apiKey,
      callbackSecret: readCallbackSecret(id, manifest, sources),
      baseUrl: withoutTrailing(settings.base_url ?? manifest.base_url, '/'),
      hasOwnBaseUrl: settings.base_url !== undefined,
      maxInFlight: settings.max_in_flight ?? manifest.max_in_flight,
      prices: operatorPrices(settings, writtenOn),
      ...(settings.surcharge_percent !== undefined && { surchargePercent: settings.surcharge_percent }),
    }
  })
  return { sandbox, providers: new Map(providers.map((provider) => [provider.id, provider])) }
}

/**
 * The snapshot for a sandbox whose emulators run: each enabled provider at its emulator's address, with the emulators' key.
 * @param urls by provider id
 */
export function withEmulators(config: Config, urls: ReadonlyMap<string, string>, key: Secret): Config {
  if (!config.sandbox) return config
  const providers = [...config.providers.values()].map((provider): ProviderConfig => {
    const baseUrl = urls.get(provider.id)
    if (baseUrl !== undefined) return Object.freeze({ ...provider, apiKey: key, baseUrl })
    if (!provider.enabled) return provider
    return Object.freeze({ ...provider, enabled: false, reason: 'its emulator does not run' })
  })
  return Object.freeze({ ...config, providers: new Map(providers.map((provider) => [provider.id, provider])) })
}

interface Reach {
  readonly isReached: boolean
  readonly sandbox: boolean
  /** How it gets a key. */
  readonly remedy: string
}

function reasonToDisable(id: string, { enabled }: ProviderSettings, { isReached, sandbox, remedy }: Reach): string | null {
  if (enabled === false) return `switched off: remove \`providers.${id}.enabled: false\``
  if (isReached) return null
  return sandbox ? `the sandbox has no emulator for it: ${remedy}, which ends the sandbox` : `no API key: ${remedy}`
}

function readKey(id: string, manifest: Manifest, { file, document, variables, problems }: ProviderSources): Secret | null {
  const inFile = file.providers?.[id]?.api_key ?? ''
  // A variable that the file names is the only one: where it is unset, the one that the manifest names may hold the key of another account.
  const isNamed = document.variables(['providers', id, 'api_key']).length > 0
  const text = inFile === '' && !isNamed ? (variables.read(manifest.auth.env) ?? '') : inFile
  if (text === '') return null
  if (!/^[\x21-\x7e]+$/.test(text)) {
    const message = 'the API key holds a space, a line break or a character no header can carry'
    problems.push(
      inFile === ''
        ? inEnvironment(manifest.auth.env, message, 'copy the key again')
        : document.at(['providers', id, 'api_key'], message, 'copy the key again'),
    )
    return null
  }
  return new Secret(text)
}

function readCallbackSecret(id: string, { callbacks }: Manifest, { file, variables }: ProviderSources): Secret | null {
  const signature = callbacks?.signature
  if (signature?.scheme !== 'standard-webhooks') return null
  const text = file.providers?.[id]?.callback_secret || (variables.read(signature.secret_env) ?? '')
  return text === '' ? null : new Secret(text)
}

function operatorPrices(settings: ProviderSettings, writtenOn: string): OperatorPrices {
  const ofRelay = Object.entries(settings.models ?? {}).flatMap(([model, { price }]) => (price ? [[model, price] as const] : []))
  const byModel = [...ofRelay, ...Object.entries(settings.prices ?? {})].map(
    ([model, price]) => [model, { ...price, as_of: price.as_of ?? writtenOn }] as const,
  )
  return { discountPercent: settings.discount_percent ?? 0, byModel: new Map(byModel) }
}
