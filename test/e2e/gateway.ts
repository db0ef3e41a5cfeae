import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startGateway } from '../../src/gateway/start.ts'
import type { Generation, Problem } from '#contract'
import type { StartOverrides } from '../../src/gateway/read-configuration.ts'
import { isTraced, searchRemains, tracedEnvironment, traceGateway } from '../support/traced.ts'
import type { Ports } from '../../src/core/ports.ts'

/** What these tests name; whatever else is installed is none of their business. */
export const FIXTURE_PROVIDERS = ['bfl', 'runware', 'vtrix'] as const

export interface GatewayOptions {
  /** The fixture set unless named. */
  readonly providers?: readonly string[]
  readonly providersDirectory?: string
  readonly config?: string
  readonly env?: Readonly<Record<string, string>>
  readonly typicalMs?: number
  readonly dataDirectory?: string
  /** A free one unless named. */
  readonly port?: number
  readonly webhookDelaysMs?: readonly number[]
  readonly wrapPorts?: (ports: Ports) => Ports
  readonly patience?: StartOverrides['patience']
  readonly deadlineMs?: number
}

/** A real gateway on a free port, its vendors emulated over real HTTP unless the options name keys. */
export async function launchGateway({
  config,
  env = {},
  typicalMs = 30,
  dataDirectory,
  port = 0,
  webhookDelaysMs,
  wrapPorts,
  patience,
  deadlineMs,
  providers = FIXTURE_PROVIDERS,
  providersDirectory,
}: GatewayOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-e2e-'))
  const configPath = join(folder, 'imagegate.yaml')
  if (config !== undefined) writeFileSync(configPath, config)
  const data = dataDirectory ?? join(folder, 'data')
  const logFile = join(folder, 'trace.log')
  const server = await startGateway({
    env: { ...tracedEnvironment(env), ...(config === undefined ? {} : { IMAGEGATE_CONFIG: configPath }) },
    overrides: {
      port,
      providers,
      ...(providersDirectory ? { providersDirectory } : {}),
      dataDirectory: data,
      quiet: process.env['LOUD'] === undefined && !isTraced,
      ...(isTraced ? { logFile } : {}),
      sandboxTypicalMs: typicalMs,
      ...(webhookDelaysMs ? { webhookDelaysMs } : {}),
      ...(wrapPorts ? { wrapPorts } : {}),
      ...(patience ? { patience } : {}),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    },
  })
  traceGateway(server.url)
  const ask = async (path: string, init: RequestInit = {}) => fetch(`${server.url}${path}`, init)
  return {
    url: server.url,
    folder,
    configPath,
    ask,
    /** What SIGHUP does to a process. */
    reload: () => server.reload(),
    post: (path: string, body: unknown, headers: Record<string, string> = {}) =>
      ask(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async generate(body: object, headers: Record<string, string> = {}): Promise<Generation> {
      const reply = await this.post('/v1/generations', { model: 'flux-2-pro', prompt: 'a lighthouse', ...body }, headers)
      if (reply.status !== 200 && reply.status !== 202) throw new Error(`${reply.status}: ${await reply.text()}`)
      return (await reply.json()) as Generation
    },
    async close() {
      if (isTraced) await ask('/metrics')
      await server.close()
      if (isTraced) searchRemains(readFileSync(logFile, 'utf8'), data)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export type Gateway = Awaited<ReturnType<typeof launchGateway>>

export const json = async <T>(reply: Response): Promise<T> => (await reply.json()) as T
export const problem = (reply: Response): Promise<Problem> => json<Problem>(reply)
