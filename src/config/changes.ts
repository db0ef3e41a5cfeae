import type { Manifest } from '#contract'
import { Secret } from '../transport/secret.ts'
import type { Config, GatewayKey, ProviderConfig } from './config.ts'
import { isSameSetting } from './same-setting.ts'

/**
 * What a changed configuration changes, a line each with the names of the file: keys, providers that are switched on or off and why, their
 * addresses, limits and prices, routes and aliases, settings. Secrets are named, never shown.
 */
export function changesBetween(before: Config, next: Config): readonly string[] {
  return [
    ...keyChanges(before.keys, next.keys),
    ...[...before.providers.keys()].filter((id) => !next.providers.has(id)).map((id) => `providers.${id}: removed`),
    ...[...next.providers.values()].flatMap((provider) => providerChanges(before.providers.get(provider.id), provider)),
    ...next.relays.flatMap((relay) =>
      relayChanges(
        before.relays.find(({ id }) => id === relay.id),
        relay,
      ),
    ),
    ...differences('models', before.models, next.models),
    ...differences('', settings(before), settings(next)),
  ]
}

const settings = ({ assets, network, webhooks, breaker, routing, limits, trustProxy }: Config): Tree => ({
  server: { trustProxy },
  limits,
  assets,
  network,
  webhooks,
  breaker,
  routing,
})

function keyChanges(before: readonly GatewayKey[], next: readonly GatewayKey[]): readonly string[] {
  const same = (keys: readonly GatewayKey[], { name }: GatewayKey) => keys.find((key) => key.name === name)
  const removed = before.filter((key) => same(next, key) === undefined).map(({ name }) => `keys.${name}: removed`)
  const others = next.flatMap((key) => {
    const was = same(before, key)
    if (was === undefined) return [`keys.${key.name}: added`]
    return differences(`keys.${key.name}`, { ...was, keyHash: new Secret(was.keyHash) }, { ...key, keyHash: new Secret(key.keyHash) })
  })
  return [...removed, ...others]
}

/** A provider that was edited and does nothing all the same is said to be disabled still, with the reason. */
function providerChanges(before: ProviderConfig | undefined, next: ProviderConfig): readonly string[] {
  if (isSameSetting(before, next)) return []
  const path = `providers.${next.id}`
  const isOn = next.enabled ? 'enabled' : `disabled: ${next.reason ?? 'no reason is known'}`
  if (before === undefined) return [`${path}: added, ${isOn}`]
  const state = before.enabled === next.enabled ? (next.enabled ? [] : [`${path}: stays ${isOn}`]) : [`${path}: ${isOn}`]
  return [...state, ...differences(path, asWritten(before), asWritten(next))]
}

/** What the file says instead of a manifest. */
function relayChanges(before: Manifest | undefined, next: Manifest): readonly string[] {
  if (before === undefined) return []
  const described = ({ title, auth, timeouts, shape, models }: Manifest): Tree => ({ title, auth, timeouts, shape, models })
  return differences(`providers.${next.id}`, described(before), described(next))
}

const asWritten = ({ apiKey, callbackSecret, baseUrl, maxInFlight, prices }: ProviderConfig): Tree => ({
  apiKey,
  callbackSecret,
  baseUrl,
  maxInFlight,
  discountPercent: prices.discountPercent,
  prices: prices.byModel,
})

type Tree = Readonly<Record<string, unknown>>

function differences(path: string, before: unknown, next: unknown): readonly string[] {
  if (isSameSetting({ value: before }, { value: next })) return []
  const [left, right] = [asTree(before), asTree(next)]
  if (left === null || right === null) return [`${path}: ${difference(before, next)}`]
  const names = [...new Set([...Object.keys(left), ...Object.keys(right)])]
  return names.flatMap((name) => differences(path === '' ? inSnakeCase(name) : `${path}.${inSnakeCase(name)}`, left[name], right[name]))
}

function difference(before: unknown, next: unknown): string {
  if (before instanceof Secret || next instanceof Secret) return before && next ? 'changed' : next ? 'set' : 'removed'
  if (next === undefined) return 'removed'
  return before === undefined ? `added: ${JSON.stringify(next)}` : `${JSON.stringify(before)} → ${JSON.stringify(next)}`
}

function asTree(value: unknown): Tree | null {
  if (value instanceof Map) return Object.fromEntries(value) as Tree
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Secret) ? (value as Tree) : null
}

/** The snapshot's names are the file's in another writing; a name of the operator's own stays as it is. */
const inSnakeCase = (name: string): string =>
  /^[a-z]+([A-Z][a-z]*)+$/.test(name) ? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : name
