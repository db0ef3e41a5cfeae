import { withoutTrailing } from '#contract'
import { createClient, type Client } from '../client/client.ts'
import { addressObjection, shownAddress } from '../client/shown-address.ts'
import type { Config } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { formatProblem } from '../config/problem.ts'
import { loadCatalogue } from '../catalogue/catalogue.ts'
import { startGateway } from './start-gateway.ts'
import { Interrupted, NotUnderstood, STATUS_OF_SIGNAL, VerbFailed, type Terminal } from './terminal.ts'

/** The options every verb that talks to a gateway has. */
export interface ConnectOptions {
  readonly url?: string
  readonly key?: string
  readonly config?: string
}

export interface Connected {
  readonly client: Client
  readonly url: string
  /** The gateway runs inside this process and ends with it. */
  readonly embedded: boolean
  close(): Promise<void>
}

/** A busy gateway is one that runs; where none does, the connection is refused at once. */
const PROBE_TIMEOUT_MS = 5_000

/** A gateway that answers, or the configuration of one that does not run. `key` is what a caller shows it. */
export type FoundGateway =
  | { readonly kind: 'running'; readonly url: string; readonly key: string | undefined }
  | { readonly kind: 'stopped'; readonly config: Config; readonly key: string | undefined }

/**
 * Finds the gateway a verb is about: the one named by `--url` or IMAGEGATE_URL, which must answer; else the one that runs where the
 * configuration says.
 * @param otherwise what a verb does where none runs, for the message
 */
export async function findGateway(options: ConnectOptions, terminal: Terminal, otherwise: string): Promise<FoundGateway> {
  const named = options.url ?? (terminal.env['IMAGEGATE_URL'] || undefined)
  const key = options.key ?? (terminal.env['IMAGEGATE_KEY'] || undefined)
  if (named !== undefined) {
    const objection = addressObjection(named)
    if (objection !== null) throw new NotUnderstood(`--url ${objection}`)
    if (await isGateway(named)) return { kind: 'running', url: named, key }
    throw new VerbFailed(
      `no imagegate answers at ${shownAddress(named)}: start it with \`npm start\`, or leave --url and IMAGEGATE_URL out to ${otherwise}`,
      'gateway_unavailable',
    )
  }
  const config = await configOrFail(options, terminal)
  const running = addressOf(config)
  return running !== null && (await isGateway(running)) ? { kind: 'running', url: running, key } : { kind: 'stopped', config, key }
}

/** The gateway to talk to; where none runs, a new one in this process, on a free loopback port. */
export async function connect(options: ConnectOptions, terminal: Terminal): Promise<Connected> {
  const found = await findGateway(options, terminal, 'run embedded')
  if (found.kind === 'stopped') return embedded(options, found.key, terminal)
  const { url, key } = found
  return { client: createClient({ url, key }), url, embedded: false, close: async () => {} }
}

async function embedded(options: ConnectOptions, key: string | undefined, terminal: Terminal): Promise<Connected> {
  const env = { ...environmentOf(options, terminal), HOST: '127.0.0.1' }
  const server = await startGateway({ env, overrides: { port: 0, quiet: true } })
  return { client: createClient({ url: server.url, key }), url: server.url, embedded: true, close: () => server.close() }
}

/** The environment a verb's gateway sees: `--config` stands in for IMAGEGATE_CONFIG. */
export const environmentOf = (options: Pick<ConnectOptions, 'config'>, { env }: Terminal): Terminal['env'] =>
  options.config === undefined ? env : { ...env, IMAGEGATE_CONFIG: options.config }

export async function configOrFail(options: ConnectOptions, terminal: Terminal): Promise<Config> {
  const loaded = await loadConfig({ env: environmentOf(options, terminal), catalogue: await loadCatalogue() })
  if (loaded.kind === 'refused') throw new VerbFailed(`the configuration is refused:\n${loaded.problems.map(formatProblem).join('\n')}`)
  return loaded.config
}

/** Where the configured gateway would answer a caller on this machine; null where its port is chosen at start. */
export function addressOf({ server: { host, port } }: Pick<Config, 'server'>): string | null {
  if (port === 0) return null
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

/** Whether an imagegate answers there; any other program on the port is not one. */
export async function isGateway(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${withoutTrailing(url, '/')}/v1/models`, {
      signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
      redirect: 'error',
    })
    const body = (await response.json()) as { object?: unknown; data?: readonly { offers?: unknown }[]; code?: unknown }
    if (response.status === 401) return body.code === 'unauthorized'
    return body.object === 'list' && Array.isArray(body.data) && body.data.every((model) => Array.isArray(model.offers))
  } catch {
    return false
  }
}

export interface Work extends Connected {
  /** What is shown where a signal ends the command from here on, in place of an error: what goes on without it. */
  ifInterrupted(show: () => void): void
}

/**
 * Runs a verb's work against a gateway and leaves nothing running behind, at Ctrl-C neither: what was accepted goes on at the gateway, and one
 * inside this process is closed as at its end.
 * @throws Interrupted where a signal came and the work had not said what to show
 */
export async function withGateway(
  options: ConnectOptions,
  terminal: Terminal,
  work: (connected: Work) => Promise<number>,
): Promise<number> {
  const connected = await connect(options, terminal)
  let show: (() => void) | null = null
  try {
    const ended = await Promise.race([work({ ...connected, ifInterrupted: (shown) => void (show = shown) }), terminal.stopped()])
    if (typeof ended === 'number') return ended
    if (show === null) throw new Interrupted(ended)
    ;(show as () => void)()
    return STATUS_OF_SIGNAL[ended]
  } finally {
    await connected.close()
  }
}
