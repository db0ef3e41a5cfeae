import type { Config } from './config.ts'
import { isLoopback } from './network.ts'
import { inEnvironment, type ConfigProblem } from './problem.ts'

/**
 * What a running gateway refuses of a configuration that is right in itself: what would let others in, or send money and keys elsewhere,
 * because something is missing, or what only a start can do. A restart accepts all of it.
 */
export function objections(started: Config, current: Config, next: Config, isAnyKeyLive: IsAnyKeyLive): readonly ConfigProblem[] {
  return [
    ...wholeFile(current, next),
    ...sandbox(started, next),
    ...keys(started, current, next, isAnyKeyLive),
    ...renamedKeys(current, next),
    ...baseUrls(current, next),
  ]
}

export const problemOf = ({ path }: Config, key: string, message: string, remedy: string | null): ConfigProblem => ({
  ...inEnvironment(key, message, remedy),
  ...(path === null ? {} : { file: path }),
})

function wholeFile(current: Config, next: Config): readonly ConfigProblem[] {
  if (current.path === null) return []
  if (next.path === null) return [problemOf(current, '', 'the configuration file is gone', 'put it back, or restart to run without one')]
  if (current.isEmpty || !next.isEmpty) return []
  return [problemOf(next, '', 'the configuration file is empty', 'write it again, or restart to run on the defaults')]
}

function sandbox(started: Config, next: Config): readonly ConfigProblem[] {
  if (next.sandbox === started.sandbox) return []
  const message = `this change turns the sandbox ${next.sandbox ? 'on' : 'off'}, which a running gateway does not do`
  return [problemOf(next, '', message, 'restart')]
}

/** What a key owns is stored under its name, and moves to another at a start, before anything new is written. */
function renamedKeys(current: Config, next: Config): readonly ConfigProblem[] {
  return next.keys.flatMap(({ name, keyHash }) => {
    const before = current.keys.find((key) => key.keyHash === keyHash)
    if (before === undefined || before.name === name) return []
    const message = `the key ${before.name} is called ${name} here, and what it owns, its budget included, follows it only at a start`
    return [problemOf(next, 'keys', message, 'restart')]
  })
}

/** Whether a gateway key counts now: one of this configuration, or one made at run time; not revoked, not expired. */
export type IsAnyKeyLive = (config: Config) => boolean

function keys(started: Config, current: Config, next: Config, isAnyKeyLive: IsAnyKeyLive): readonly ConfigProblem[] {
  if (isAnyKeyLive(next)) return []
  if (current.keys.length > 0 && next.keys.length === 0) {
    const message = 'this change takes away every gateway key that counts, and then anybody who reaches this server could spend your money'
    return [problemOf(next, 'keys', message, 'restart to turn keys off')]
  }
  // The address it really listens on, whatever the changed file says of it.
  if (isLoopback(started.server.host)) return []
  const message = `this server listens on ${started.server.host}, and no gateway key counts any more`
  return [problemOf(next, 'keys', message, 'add one that has not expired, or restart to listen on another address')]
}

const EXPOSED_REMEDY =
  'add `keys: [{ name: …, key_hash: … }]` to the configuration file (key_hash: printf %s "$KEY" | sha256sum), make one with `imagegate keys create`, or listen on 127.0.0.1'

/** Why a gateway must not start: others could reach it, and no key of theirs could be asked for. Null where it may. */
export function exposed(config: Config, isAnyKeyLive: IsAnyKeyLive): ConfigProblem | null {
  const { host } = config.server
  if (isLoopback(host) || isAnyKeyLive(config)) return null
  const why = config.keys.length === 0 ? 'where others could spend your money without a key' : 'while every gateway key has expired'
  return inEnvironment('HOST or server.host', `refusing to listen on ${host}, ${why}`, EXPOSED_REMEDY)
}

/** A base URL that is missing, as in a file saved by half, must not send the key and the tasks to another host. */
function baseUrls(current: Config, next: Config): readonly ConfigProblem[] {
  if (next.sandbox || current.sandbox) return []
  return [...next.providers.values()].flatMap((provider) => {
    const before = current.providers.get(provider.id)
    if (!provider.enabled || provider.hasOwnBaseUrl || !before?.hasOwnBaseUrl || before.baseUrl === provider.baseUrl) return []
    const message = `is no longer given, so that this provider’s key and tasks would go to ${provider.baseUrl} instead of ${before.baseUrl}`
    const remedy = `write base_url: ${provider.baseUrl} if that is meant, or enabled: false`
    return [problemOf(next, `providers.${provider.id}.base_url`, message, remedy)]
  })
}
