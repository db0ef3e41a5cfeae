import { changesBetween } from './changes.ts'
import type { Config, ConfigResult } from './config.ts'
import { inEnvironment, type ConfigProblem } from './problem.ts'
import { objections, problemOf } from './protection.ts'
import type { IsAnyKeyLive } from './protection.ts'
import { isSameSetting } from './same-setting.ts'
import { stateOf } from './watch-files.ts'

/** What reading the configuration again came to. */
export type Reloaded =
  /**
   * The new snapshot is in force. `changes` says what that changes, a line each; `needRestart` names keys of the file that wait for a
   * restart, and whose old values stay in the snapshot.
   */
  | {
      readonly kind: 'swapped'
      readonly config: Config
      readonly warnings: readonly ConfigProblem[]
      readonly changes: readonly string[]
      readonly needRestart: readonly string[]
    }
  /** The snapshot in force says the same already, but for what waits for a restart; nothing was done. */
  | { readonly kind: 'unchanged'; readonly needRestart: readonly string[] }
  /** The old snapshot stays. */
  | { readonly kind: 'refused'; readonly problems: readonly ConfigProblem[] }

export interface LiveConfigDependencies {
  readonly started: Config
  /** The files `started` was read from, each with its state just before. */
  readonly files: ReadonlyMap<string, string>
  /** Reads file, environment and secret files again, and completes a sandbox's configuration. */
  readonly load: () => Promise<ConfigResult>
  /** Builds all that is made from a configuration and can fail, and changes nothing. */
  readonly prepare: (next: Config) => Prepared
  readonly isAnyKeyLive: IsAnyKeyLive
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
  /** What `stateOf` them was just before they were read: what is written while they are read is a change. */
  asRead(): string
  /** Calls back after every reading, whatever came of it. */
  onRead(callback: (reloaded: Reloaded) => void): void
  /** Calls back after each swap. Must not throw. */
  onSwapped(callback: (next: Config, before: Config) => void): void
}

/** Swaps whole snapshots: a refused one changes nothing, and neither does one that says the same. */
export function liveConfig({ started, files, load, prepare, isAnyKeyLive, report }: LiveConfigDependencies): LiveConfig {
  let current = started
  let ownFiles = files
  let readFiles = files
  let last: Promise<unknown> = Promise.resolve()
  const onRead: ((reloaded: Reloaded) => void)[] = []
  const onSwapped: ((next: Config, before: Config) => void)[] = []

  const asRead = (): ReadonlyMap<string, string> => new Map([...ownFiles, ...readFiles])

  async function reloadOnce(): Promise<Reloaded> {
    // A refused reading may not come as far as each of these; what changed there meanwhile is a reason to read once, and not again and again.
    const unread = new Map([...ownFiles.keys()].map((path) => [path, stateOf([path])]))
    const result = await load().catch(unreadable)
    const before = current
    const reloaded = take(judge(started, before, result, isAnyKeyLive), prepare)
    readFiles = result.files
    if (reloaded.kind === 'swapped') current = reloaded.config
    ownFiles = reloaded.kind === 'refused' ? unread : result.files
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
    files: () => [...asRead().keys()],
    asRead: () => [...asRead().values()].join('\n'),
    onRead: (callback) => void onRead.push(callback),
    onSwapped: (callback) => void onSwapped.push(callback),
  }
}

const unreadable = (error: unknown): ConfigResult => ({
  kind: 'refused',
  problems: [inEnvironment('', `the configuration cannot be read: ${error instanceof Error ? error.message : String(error)}`, null)],
  files: new Map(),
})

function judge(started: Config, current: Config, result: ConfigResult, isAnyKeyLive: IsAnyKeyLive): Reloaded {
  if (result.kind === 'refused') return { kind: 'refused', problems: result.problems }
  const { config: read, warnings } = result
  const problems = objections(started, current, read, isAnyKeyLive)
  if (problems.length > 0) return { kind: 'refused', problems }
  const needRestart = RESTART_KEYS.filter(([, value]) => !isSameSetting([value(started)], [value(read)])).map(([name]) => name)
  const config = keepingStarted(read, started)
  if (isSameSetting(config, current)) return { kind: 'unchanged', needRestart }
  return { kind: 'swapped', config, warnings, changes: changesBetween(current, config), needRestart }
}

function take(reloaded: Reloaded, prepare: (next: Config) => Prepared): Reloaded {
  if (reloaded.kind !== 'swapped') return reloaded
  const prepared = preparedBy(prepare, reloaded.config)
  if (prepared.kind === 'refused') {
    return { kind: 'refused', problems: prepared.problems.map(({ path, message }) => problemOf(reloaded.config, path, message, null)) }
  }
  prepared.apply()
  return reloaded
}

/** Whoever asks for a reload waits for no failure: one that nobody foresaw is a refusal as well, and not the end of the process. */
function preparedBy(prepare: (next: Config) => Prepared, next: Config): Prepared {
  try {
    return prepare(next)
  } catch (error) {
    const message = `the configuration cannot be used: ${error instanceof Error ? error.message : String(error)}`
    return { kind: 'refused', problems: [{ path: '', message }] }
  }
}

const RESTART_KEYS: readonly (readonly [string, (config: Config) => unknown])[] = [
  ['server.host', ({ server }) => server.host],
  ['server.port', ({ server }) => server.port],
  ['server.public_url', ({ server }) => server.publicUrl],
  ['server.body_limit_bytes', ({ server }) => server.bodyLimitBytes],
  ['server.cors.origins', ({ server }) => server.corsOrigins],
  ['store.url', ({ storeUrl }) => storeUrl],
  ['assets.url', ({ assets }) => assets.url],
]

/** A snapshot says what is in force, so what waits for a restart keeps its old value. */
const keepingStarted = (read: Config, { server, storeUrl, assets }: Config): Config =>
  Object.freeze({ ...read, server, storeUrl, assets: Object.freeze({ ...read.assets, url: assets.url }) })
