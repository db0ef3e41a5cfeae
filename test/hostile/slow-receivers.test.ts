import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startProcess } from '../crash/process.ts'
import { quickVendor } from '../support/quick-vendor.ts'
import { startReceiver } from '../webhooks/receiver.ts'

useRealSockets()

const hash = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/** More than are tried at once, at eight to a receiver. */
const RECEIVERS = 17
const EACH = 10

test('many receivers of one key that never answer hold up no webhook of another key', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-receivers-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(
    join(folder, 'imagegate.yaml'),
    `keys: [{ name: slow, key_hash: ${hash('slow')} }, { name: honest, key_hash: ${hash('honest')} }]
network: { allow: ["127.0.0.0/8"] }
providers:
  relay:
    shape: openai-images
    base_url: http://127.0.0.1:${await quickVendor()}
    api_key: a-vendor-key
    models: { flux-2-pro: { provider_model: flux, price: { per_image: "0.02" } } }
`,
  )
  const server = await startProcess({ IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml') })
  onTestFinished(async () => void (await server.kill('SIGKILL')))
  const buy = async (key: string, url: string): Promise<void> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` }
    const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse', webhook: { url } })
    expect((await fetch(`${server.url}/v1/generations`, { method: 'POST', headers, body })).status).toBe(200)
  }
  const silent = await Promise.all(Array.from({ length: RECEIVERS }, () => startReceiver(() => {})))
  const honest = await startReceiver()
  for (const receiver of [...silent, honest]) onTestFinished(() => receiver.close())

  const buyMany = async (url: string): Promise<void> => {
    for (let count = 0; count < EACH; count += 1) await buy('slow', url)
  }
  await Promise.all(silent.map(({ url }) => buyMany(url)))
  await buy('honest', honest.url)
  await honest.hears(1)
  // Most of the others wait for those that are tried, as many as a key may have at once.
  expect(silent.reduce((sum, { heard }) => sum + heard.length, 0)).toBeLessThan(128)
})
