import { watch } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import type { Config, ConfigResult } from './config.ts'
import { inEnvironment, type ConfigProblem } from './problem.ts'

/** What a look at the changed file came to. */
export type Reloaded =
  /** The new snapshot is in force. `needRestart` names keys whose change waits for a restart. */
  | {
      readonly kind: 'swapped'
      readonly config: Config
      readonly warnings: readonly ConfigProblem[]
      readonly needRestart: readonly string[]
    }
  /** The old snapshot stays. */
  | { readonly kind: 'refused'; readonly problems: readonly ConfigProblem[] }

/** The snapshot in force, and the way to the next one. */
export interface LiveConfig {
  /** The snapshot in force now; ask again for each use. */
  current(): Config
  /** Reads everything again, one reading at a time. Never rejects. */
  reload(): Promise<Reloaded>
}

/**
 * Swaps whole snapshots: a refused file changes nothing.
 * @param load reads file and environment again, and fills in emulators where the sandbox runs
 * @param report is told of every reload
 */
export function liveConfig(started: Config, load: () => Promise<ConfigResult>, report: (reloaded: Reloaded) => void): LiveConfig {
  let current = started
  let last: Promise<unknown> = Promise.resolve()
  const reloadOnce = async (): Promise<Reloaded> => {
    const reloaded = judge(started, await load().catch(unreadable))
    if (reloaded.kind === 'swapped') current = reloaded.config
    report(reloaded)
    return reloaded
  }
  return {
    current: () => current,
    reload: () => {
      const next = last.then(reloadOnce)
      last = next.catch(() => undefined)
      return next
    },
  }
}

const unreadable = (error: unknown): ConfigResult => ({
  kind: 'refused',
  problems: [inEnvironment('', `the configuration cannot be read: ${error instanceof Error ? error.message : String(error)}`, null)],
})

function judge(started: Config, result: ConfigResult): Reloaded {
  if (result.kind === 'refused') return result
  if (result.config.sandbox !== started.sandbox) {
    const message = `this change turns the sandbox ${result.config.sandbox ? 'on' : 'off'}, which a running gateway does not do`
    const problem: ConfigProblem = {
      file: result.config.path ?? 'environment',
      line: null,
      column: null,
      path: '',
      message,
      remedy: 'restart',
    }
    return { kind: 'refused', problems: [problem] }
  }
  return { ...result, kind: 'swapped', needRestart: restartKeys(started, result.config) }
}

function restartKeys(started: Config, next: Config): readonly string[] {
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ['server.host', started.server.host, next.server.host],
    ['server.port', started.server.port, next.server.port],
    ['server.public_url', started.server.publicUrl, next.server.publicUrl],
    ['server.body_limit_bytes', started.server.bodyLimitBytes, next.server.bodyLimitBytes],
    ['store.url', started.storeUrl, next.storeUrl],
    ['assets.url', started.assets.url, next.assets.url],
  ]
  return pairs.filter(([, before, after]) => before !== after).map(([name]) => name)
}

/**
 * Calls `onChange` once after each burst of changes to a file. The folder is watched, not the file, because editors
 * save by renaming another file into its place and mounted configuration swaps a link beside it.
 * @returns stops watching
 */
export function watchConfig(path: string, onChange: () => void, settleMs = 100): () => void {
  const file = resolve(path)
  let timer: NodeJS.Timeout | null = null
  const changed = () => {
    if (timer !== null) clearTimeout(timer)
    timer = setTimeout(onChange, settleMs)
    timer.unref()
  }
  const watcher = watch(dirname(file), { persistent: false }, (_, name) => {
    if (name === null || name === basename(file) || name === '..data') changed()
  })
  watcher.on('error', () => watcher.close())
  return () => {
    if (timer !== null) clearTimeout(timer)
    watcher.close()
  }
}
