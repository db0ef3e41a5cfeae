import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve } from './processes.ts'
import type { Served } from './processes.ts'

export const GENERATION = JSON.stringify({
  model: 'flux-2-pro',
  prompt: 'A vast sunken library atrium beneath clear seawater',
  width: 1536,
  height: 1024,
  seed: 16070,
})

/** A gateway in a process of its own, whose one real vendor is at `vendorUrl`; images are handed on by link. */
export async function serveGateway(vendorUrl: string, provider: string, script = '../src/main.ts'): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-bench-'))
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(
    config,
    `server: { port: 0 }\nassets: { keep: false }\nproviders: { ${provider}: { base_url: "${vendorUrl}", api_key: bench-key-0123, max_in_flight: 100000 } }\n`,
  )
  const gateway = await serve(script, [], { IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'data'), PORT: '0' })
  return {
    ...gateway,
    stop() {
      gateway.stop()
      setTimeout(() => rmSync(folder, { recursive: true, force: true }), 1_000).unref()
    },
  }
}
