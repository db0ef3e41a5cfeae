import { pino } from 'pino'
import { LogLines } from './log-lines.ts'
import type { FastifyBaseLogger } from 'fastify'
import { loadCatalogue } from '../catalogue/catalogue.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Config, ConfigResult } from '../config/config.ts'
import type { Environment } from '../config/environment.ts'
import { loadConfig } from '../config/load.ts'
import { formatProblem } from '../config/problem.ts'
import type { ConfigProblem } from '../config/problem.ts'
import type { Patience } from '../core/generation/open-generation.ts'
import type { Ports } from '../core/ports.ts'
import type { ConnectionTimes } from '../http/connections.ts'
import { StartRefused } from './start-refused.ts'

export interface StartOptions {
  readonly env: Environment
  readonly overrides?: StartOverrides
}

export interface StartOverrides {
  /** 0 takes a free port. */
  readonly port?: number
  readonly dataDirectory?: string
  /** Logs errors only. */
  readonly quiet?: boolean
  /** A file for the log, instead of standard output. */
  readonly logFile?: string
  /** The middle of how long an emulated task takes. */
  readonly sandboxTypicalMs?: number
  /** Stands between the core and its ports: where tests break things. */
  readonly wrapPorts?: (ports: Ports) => Ports
  /** Waits between the tries of a webhook. */
  readonly webhookDelaysMs?: readonly number[]
  /** How old a comparison is when another process begins what is left of it. */
  readonly comparisonsEveryMs?: number
  /** How long a process alone may try a webhook. */
  readonly webhookClaimMs?: number
  /** How long lost submits, dead links and full or refusing providers are waited for. */
  readonly patience?: Partial<Patience>
  /** Only these of the installed providers: for tests whose expectations name them. */
  readonly providers?: readonly string[]
  /** Instead of the folder of the installed providers. */
  readonly providersDirectory?: string
  /** How long the reader of an image, of events or of a WebSocket may take nothing, instead of a minute. */
  readonly unreadMs?: number
  /** How long slow headers, bodies and idle connections are waited for. */
  readonly connectionTimes?: ConnectionTimes
  /** Instead of every provider's own deadline. */
  readonly deadlineMs?: number
  /** What becomes of each configuration that is read. */
  readonly configure?: (config: Config) => Config
}

export interface Configuration {
  /** The installed providers. */
  readonly catalogue: Catalogue
  /** As it was read at the start. */
  readonly started: Config
  /** What is doubtful in it, to be logged once the gateway listens. */
  readonly warnings: readonly ConfigProblem[]
  /** The files it was read from, those of secrets included, each with its state just before. */
  readonly files: ReadonlyMap<string, string>
  /** Reads file, environment and secret files again. */
  readonly readAgain: () => Promise<ConfigResult>
  readonly log: FastifyBaseLogger
  readonly overrides: StartOverrides
}

/** Reads the installed providers, the configuration file and the environment. @throws StartRefused */
export async function readConfiguration({ env, overrides = {} }: StartOptions): Promise<Configuration> {
  const catalogue = await loadCatalogue(overrides.providersDirectory, overrides.providers)
  const environment = {
    ...env,
    ...(overrides.dataDirectory ? { IMAGEGATE_DATA: overrides.dataDirectory } : {}),
    ...(overrides.port !== undefined ? { PORT: String(overrides.port) } : {}),
  }
  const { configure = (config: Config) => config } = overrides
  const readAgain = async (): Promise<ConfigResult> => {
    const result = await loadConfig({ env: environment, catalogue })
    return result.kind === 'config' ? { ...result, config: configure(result.config) } : result
  }
  const loaded = await readAgain()
  if (loaded.kind === 'refused') throw new StartRefused(loaded.problems.map(formatProblem).join('\n'))
  const { config: started, warnings, files } = loaded
  const log = createLog(started, overrides)
  return { catalogue, started, warnings, files, readAgain, log, overrides }
}

/** Libraries write lines of their own at these levels, with the headers of a request, keys among them. */
const VERBOSE: ReadonlySet<string> = new Set(['debug', 'trace'])
const WITHOUT_HEADERS = { paths: ['headers', '*.headers'], remove: true }

function createLog({ logLevel }: Config, { quiet = false, logFile }: StartOverrides): FastifyBaseLogger {
  const level = quiet ? 'error' : logLevel
  const lines = logFile === undefined ? new LogLines(quiet ? 2 : 1) : pino.destination({ dest: logFile, sync: true })
  return pino({ level, ...(VERBOSE.has(level) ? { redact: WITHOUT_HEADERS } : {}) }, lines)
}
