import { resolve } from 'node:path'
import type { FastifyBaseLogger } from 'fastify'
import type { ConfigurationState } from '#contract'
import type { Config } from '../config/config.ts'
import { formatProblem } from '../config/problem.ts'
import type { ConfigProblem } from '../config/problem.ts'
import type { Reloaded } from '../config/watch.ts'
import { iso } from '../core/instant.ts'

/** Logs what is worth a warning in a configuration that is accepted. */
export const logWarnings = (log: FastifyBaseLogger, problems: readonly ConfigProblem[]): void =>
  problems.forEach((problem) => log.warn(formatProblem(problem)))

export interface ReloadReport {
  /** Logs what became of a configuration that was read again, and remembers it. */
  report(reloaded: Reloaded): void
  /** What is in force, and the last change that was refused, for `/v1/providers`. */
  state(): ConfigurationState
}

/** @param started the configuration that the start read, which `current` is until a changed one is in force */
export function createReloadReport(log: FastifyBaseLogger, started: Config, now: () => number): ReloadReport {
  let state: ConfigurationState = {
    file: started.path === null ? null : resolve(started.path),
    in_force_since: iso(now()),
    changes: [],
    waits_for_restart: [],
    refused: null,
  }
  let disabled = disabledProviders(started)
  return {
    state: () => state,
    report(reloaded) {
      switch (reloaded.kind) {
        case 'refused': {
          const problems = reloaded.problems.map(formatProblem)
          state = { ...state, refused: { at: iso(now()), problems } }
          log.error({ problems }, 'the changed configuration is refused; the old one stays in force')
          return
        }
        case 'unchanged':
          state = { ...state, waits_for_restart: [...reloaded.needRestart], refused: null }
          log[level(reloaded)](
            { ...waits(reloaded), ...disabled },
            reloaded.needRestart.length === 0
              ? 'the configuration was read again and has not changed'
              : `the configuration was read again; ${reloaded.needRestart.join(', ')} can only change at a restart`,
          )
          return
        case 'swapped': {
          const { config, changes, needRestart } = reloaded
          const file = config.path === null ? null : resolve(config.path)
          state = { file, in_force_since: iso(now()), changes: [...changes], waits_for_restart: [...needRestart], refused: null }
          disabled = disabledProviders(config)
          logWarnings(log, reloaded.warnings)
          log[level(reloaded)]({ changes, ...waits(reloaded), ...disabled }, 'the changed configuration is in force')
        }
      }
    },
  }
}

interface Waiting {
  readonly needRestart: readonly string[]
}
const level = ({ needRestart }: Waiting) => (needRestart.length > 0 ? 'warn' : 'info')
const waits = ({ needRestart }: Waiting) => (needRestart.length > 0 ? { waits_for_restart: needRestart } : {})

/** Those that a reload might have been meant to switch on: each with what still keeps it off. */
function disabledProviders({ providers }: Config): { readonly disabled?: Readonly<Record<string, string | null>> } {
  const off = [...providers.values()].filter(({ enabled }) => !enabled).map(({ id, reason }) => [id, reason] as const)
  return off.length === 0 ? {} : { disabled: Object.fromEntries(off) }
}
