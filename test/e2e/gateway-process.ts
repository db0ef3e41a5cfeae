import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Generation } from '#contract'
import { startOverridden } from '../crash/process.ts'
import { FIXTURE_PROVIDERS } from './gateway.ts'
import type { Gateway, GatewayOptions } from './gateway.ts'

export type ProcessOptions = Omit<GatewayOptions, 'wrapPorts' | 'env'> & {
  readonly patience?: NonNullable<GatewayOptions['patience']>
  /** How long the reader of an image may take nothing of it. */
  readonly unreadMs?: number
  /** NODE_OPTIONS among them, as an operator sets it. */
  readonly env?: Readonly<Record<string, string>>
}
export interface GatewayProcess extends Gateway {
  /** Everything it has written so far. */
  said(): string
}

/** What `launchGateway` starts in the process of the test, as a process of its own: what is asked of it is asked from outside. */
export async function launchProcess({
  config,
  env = {},
  typicalMs = 30,
  dataDirectory,
  port = 0,
  providers = FIXTURE_PROVIDERS,
  ...overrides
}: ProcessOptions = {}): Promise<GatewayProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-process-'))
  const configPath = join(folder, 'imagegate.yaml')
  if (config !== undefined) writeFileSync(configPath, config)
  const environment = {
    IMAGEGATE_DATA: dataDirectory ?? join(folder, 'data'),
    IMAGEGATE_CONFIG: config === undefined ? '' : configPath,
    ...env,
  }
  const server = await startOverridden(environment, { ...overrides, port, providers, sandboxTypicalMs: typicalMs })
  const ask = (path: string, init: RequestInit = {}) => fetch(`${server.url}${path}`, init)
  const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    ask(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  return {
    url: server.url,
    folder,
    configPath,
    said: server.said,
    ask,
    async reload() {
      const before = server.said().length
      server.signal('SIGHUP')
      await expect
        .poll(() => server.said().slice(before), { timeout: 20_000 })
        .toMatch(/configuration (is refused|is in force|was read again)/)
    },
    post,
    async generate(body, headers = {}) {
      const reply = await post('/v1/generations', { model: 'flux-2-pro', prompt: 'a lighthouse', ...body }, headers)
      if (reply.status !== 200 && reply.status !== 202) throw new Error(`${reply.status}: ${await reply.text()}`)
      return (await reply.json()) as Generation
    },
    async close() {
      await server.kill('SIGTERM')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
