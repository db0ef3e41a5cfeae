import type { Config, ConfigResult } from './config.ts'
import { inEnvironment, type ConfigProblem } from './problem.ts'
import { isSameSetting } from './same-setting.ts'

/** What reading the configuration again came to. */
export type Reloaded =
  /** The new snapshot is in force. `needRestart` names keys whose change waits for a restart. */
  | {
      readonly kind: 'swapped'
      readonly config: Config
      readonly warnings: readonly ConfigProblem[]
      readonly needRestart: readonly string[]
    }
  /** The snapshot in force says the same already; nothing was done. */
  | { readonly kind: 'unchanged' }
  /** The old snapshot stays. */
  | { readonly kind: 'refused'; readonly problems: readonly ConfigProblem[] }

export interface LiveConfigDependencies {
  readonly started: Config
  /** The files `started` was read from. */
  readonly files: readonly string[]
  /** Reads file, environment and secret files again, and completes a sandbox's configuration. */
  readonly load: () => Promise<ConfigResult>
  /** Builds all that is made from a configuration and can fail, and changes nothing. */
  readonly prepare: (next: Config) => Prepared
  /** Called with the result of every reading. */
  readonly report: (reloaded: Reloaded) => void
}

/** What a new configuration needs, built and waiting to be used; or every reason why it cannot be built. */
export type Prepared =
  | { readonly kind: 'prepared'; apply(): void }
  | { readonly kind: 'refused'; readonly problems: readonly { readonly path: string; readonly message: string }[] }

/** The snapshot in force, and the way to the next one. */
export interface LiveConfig {
  /** The snapshot in force now; ask again for each use. */
  current(): Config
  /** Reads everything again, one reading at a time. Never rejects. */
  reload(): Promise<Reloaded>
  /** The files the configuration depends on, as of the last reading. */
  files(): readonly string[]
  /** Calls back after every reading, whatever came of it. */
  onRead(callback: (reloaded: Reloaded) => void): void
  /** Calls back after each swap. Must not throw. */
  onSwapped(callback: (next: Config, before: Config) => void): void
}

/** Swaps whole snapshots: a refused one changes nothing, and neither does one that says the same. */
export function liveConfig({ started, files, load, prepare, report }: LiveConfigDependencies): LiveConfig {
  let current = started
  let ownFiles = files
  let readFiles = files
  let last: Promise<unknown> = Promise.resolve()
  const onRead: ((reloaded: Reloaded) => void)[] = []
  const onSwapped: ((next: Config, before: Config) => void)[] = []

  async function reloadOnce(): Promise<Reloaded> {
    const result = await load().catch(unreadable)
    const before = current
    const reloaded = take(judge(started, before, result), prepare)
    readFiles = result.files
    if (reloaded.kind === 'swapped') current = reloaded.config
    if (reloaded.kind !== 'refused') ownFiles = result.files
    report(reloaded)
    if (reloaded.kind === 'swapped') for (const callback of onSwapped) callback(current, before)
    for (const callback of onRead) callback(reloaded)
    return reloaded
  }
  return {
    current: () => current,
    reload: () => {
      const next = last.then(reloadOnce)
      last = next.catch(() => undefined)
      return next
    },
    files: () => [...new Set([...ownFiles, ...readFiles])],
    onRead: (callback) => void onRead.push(callback),
    onSwapped: (callback) => void onSwapped.push(callback),
  }
}

const problemOf = ({ path }: Config, key: string, message: string, remedy: string | null): ConfigProblem => ({
  ...inEnvironment(key, message, remedy),
  ...(path === null ? {} : { file: path }),
})

const unreadable = (error: unknown): ConfigResult => ({
  kind: 'refused',
  problems: [inEnvironment('', `the configuration cannot be read: ${error instanceof Error ? error.message : String(error)}`, null)],
  files: [],
})

function judge(started: Config, current: Config, result: ConfigResult): Reloaded {
  if (result.kind === 'refused') return { kind: 'refused', problems: result.problems }
  const { config, warnings } = result
  if (config.sandbox !== started.sandbox) {
    const message = `this change turns the sandbox ${config.sandbox ? 'on' : 'off'}, which a running gateway does not do`
    return { kind: 'refused', problems: [problemOf(config, '', message, 'restart')] }
  }
  if (current.keys.length > 0 && config.keys.length === 0) {
    const message = 'this change takes away every gateway key, and then anybody who reaches this server could spend your money'
    return { kind: 'refused', problems: [problemOf(config, 'keys', message, 'restart to turn keys off')] }
  }
  if (isSameSetting(config, current)) return { kind: 'unchanged' }
  return { kind: 'swapped', config, warnings, needRestart: restartKeys(started, config) }
}

function take(reloaded: Reloaded, prepare: (next: Config) => Prepared): Reloaded {
  if (reloaded.kind !== 'swapped') return reloaded
  const prepared = prepare(reloaded.config)
  if (prepared.kind === 'refused') {
    return { kind: 'refused', problems: prepared.problems.map(({ path, message }) => problemOf(reloaded.config, path, message, null)) }
  }
  prepared.apply()
  return reloaded
}

function restartKeys(started: Config, next: Config): readonly string[] {
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['server.host', started.server.host, next.server.host],
    ['server.port', started.server.port, next.server.port],
    ['server.public_url', started.server.publicUrl, next.server.publicUrl],
    ['server.body_limit_bytes', started.server.bodyLimitBytes, next.server.bodyLimitBytes],
    ['server.cors.origins', started.server.corsOrigins.join(), next.server.corsOrigins.join()],
    ['store.url', started.storeUrl, next.storeUrl],
    ['assets.url', started.assets.url, next.assets.url],
  ]
  return pairs.filter(([, before, after]) => before !== after).map(([name]) => name)
}
