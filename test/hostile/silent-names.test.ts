import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import { quickVendor } from '../support/quick-vendor.ts'
import { ROOT } from '../support/source-tree.ts'

useRealSockets()

const hash = (secret: string): string => createHash('sha256').update(secret).digest('hex')

async function gateway(port: number) {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-silent-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(
    join(folder, 'imagegate.yaml'),
    `keys: [{ name: hostile, key_hash: ${hash('hostile')} }, { name: honest, key_hash: ${hash('honest')} }]
providers:
  relay:
    shape: openai-images
    base_url: http://vendor.test:${port}
    api_key: a-vendor-key
    models: { flux-2-pro: { provider_model: flux, price: { per_image: "0.02" } } }
`,
  )
  const silent = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`silent-${index}.test`, null]))
  const server = await startProcess({
    IMAGEGATE_DATA: join(folder, 'data'),
    IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'),
    NODE_OPTIONS: `--import ${pathToFileURL(join(ROOT, 'test/support/odd-names.ts')).href}`,
    ODD_NAMES: JSON.stringify({ 'vendor.test': [['127.0.0.1']], ...silent }),
  })
  onTestFinished(async () => void (await server.kill('SIGKILL')))
  return (key: string, more: object, prefer = 'wait=60'): Promise<Response> =>
    fetch(`${server.url}/v1/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, prefer },
      body: JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse', ...more }),
    })
}

test(
  'names whose servers never answer, in webhooks and references of one key, hold up no vendor’s name: another key buys meanwhile',
  { timeout: 60_000 },
  async () => {
    const buy = await gateway(await quickVendor())
    const hostile = Array.from({ length: 60 }, (_, index) => {
      const url = `https://silent-${index}.test/x.png`
      return buy('hostile', index % 2 === 0 ? { webhook: { url } } : { reference_images: [url] }, 'respond-async')
    })
    // Each name that stands in a webhook was judged as far as it could be; those of references are still waited for.
    await Promise.race(hostile)
    for (let count = 0; count < 3; count += 1) {
      const { status, error } = (await (await buy('honest', {})).json()) as Generation
      expect([status, error]).toEqual(['succeeded', null])
    }
    await Promise.all(hostile)
  },
)
