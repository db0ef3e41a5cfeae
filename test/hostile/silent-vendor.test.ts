import { useRealSockets } from '../transport/real-sockets.ts'
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

async function gateway(port: number) {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-silent-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const relay = (id: string) => `  ${id}:
    shape: openai-images
    base_url: http://${id}.test:${port}
    api_key: a-vendor-key
    models: { flux-2-pro: { provider_model: flux, price: { per_image: "0.02" } } }
`
  writeFileSync(join(folder, 'imagegate.yaml'), `providers:\n${relay('silent')}${relay('honest')}`)
  const server = await startProcess({
    IMAGEGATE_DATA: join(folder, 'data'),
    IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'),
    NODE_OPTIONS: `--import ${pathToFileURL(join(ROOT, 'test/support/odd-names.ts')).href}`,
    ODD_NAMES: JSON.stringify({ 'honest.test': [['127.0.0.1']], 'silent.test': null }),
  })
  onTestFinished(async () => void (await server.kill('SIGKILL')))
  return (provider: string, prefer = 'wait=60'): Promise<Response> =>
    fetch(`${server.url}/v1/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer },
      body: JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse', provider: { only: [provider] } }),
    })
}

test('a vendor whose name servers fall silent holds up the name of no other vendor', { timeout: 60_000 }, async () => {
  const buy = await gateway(await quickVendor())
  for (let count = 0; count < 12; count += 1) await buy('silent', 'respond-async')
  for (let count = 0; count < 5; count += 1) {
    const { status, error } = (await (await buy('honest')).json()) as Generation
    expect([status, error]).toEqual(['succeeded', null])
  }
})
