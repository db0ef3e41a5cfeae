import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serve } from './processes.ts'
import type { Served } from './processes.ts'

/** The checkout this file is in. */
export const THIS_CHECKOUT = join(import.meta.dirname, '..')

export const GENERATION = JSON.stringify({
  model: 'flux-2-pro',
  prompt: 'A vast sunken library atrium beneath clear seawater',
  width: 1536,
  height: 1024,
  seed: 16070,
})

export interface GatewayOptions {
  /** The root of the checkout whose code runs; this one by default. */
  readonly checkout?: string
  /** What is started, below the checkout; by default the server itself. */
  readonly script?: string
  /** Images are fetched and stored; by default the answer carries the vendor's link and nothing is fetched. */
  readonly keep?: boolean
  /** The vendor's key. */
  readonly apiKey?: string
  /** Tasks at the vendor at once; null: the provider's own limit. By default none waits for a free slot. */
  readonly maxInFlight?: number | null
  /** `store.url`; else a file of its own. */
  readonly storeUrl?: string
}

/** A gateway in a process of its own, whose one real vendor is at `vendorUrl`. */
export async function serveGateway(vendorUrl: string, provider: string, options: GatewayOptions = {}): Promise<Served> {
  const {
    checkout = THIS_CHECKOUT,
    script = 'src/main.ts',
    keep = false,
    apiKey = 'bench-key-0123',
    maxInFlight = 100_000,
    storeUrl,
  } = options
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-bench-'))
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(
    config,
    `server: { port: 0 }\n${storeUrl === undefined ? '' : `store: { url: "${storeUrl}" }\n`}assets: { keep: ${keep} }\nnetwork: { allow: ["${new URL(vendorUrl).host}"] }\nproviders: { ${provider}: { base_url: "${vendorUrl}", api_key: ${apiKey}${maxInFlight === null ? '' : `, max_in_flight: ${maxInFlight}`} } }\n`,
  )
  const gateway = await serve(join(checkout, script), [], { IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'data'), PORT: '0' })
  return {
    ...gateway,
    stop() {
      gateway.stop()
      setTimeout(() => rmSync(folder, { recursive: true, force: true }), 1_000).unref()
    },
  }
}
