import { useRealSockets } from '../transport/real-sockets.ts'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'

useRealSockets()

const GREATEST = Number.MAX_SAFE_INTEGER

/** Counts of tokens as no vendor should send them. */
const USAGES: readonly object[] = [
  { promptTokenCount: GREATEST, toolUsePromptTokenCount: GREATEST, candidatesTokenCount: GREATEST },
  { candidatesTokenCount: GREATEST, thoughtsTokenCount: GREATEST },
  { promptTokenCount: 1, candidatesTokenCount: 1e300 },
  { promptTokenCount: -5, candidatesTokenCount: -1290 },
  { promptTokenCount: 7, candidatesTokenCount: 0.5 },
]

test('counts of tokens beyond what a number holds leave the image as it came, and its cost is not believed', async () => {
  const image = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#468' } })
    .jpeg()
    .toBuffer()
  let next = 0
  const server = http.createServer((request, response) => {
    request.resume()
    const parts = [{ inlineData: { mimeType: 'image/jpeg', data: image.toString('base64') } }]
    const body = { candidates: [{ content: { parts } }], usageMetadata: USAGES[next++ % USAGES.length] }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-tokens-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  writeFileSync(join(folder, 'imagegate.yaml'), `providers: { gemini: { api_key: vendor-key-0123456, base_url: "${url}" } }\n`)
  const gateway = await startProcess({ IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml') })
  onTestFinished(async () => void (await gateway.kill('SIGKILL')))
  const orders = ['gemini-2.5-flash-image', 'gemini-3-pro-image'].flatMap((model) => USAGES.map((usage) => ({ model, usage })))
  for (const { model, usage } of orders) {
    const headers = { 'content-type': 'application/json', prefer: 'wait=10' }
    const body = JSON.stringify({ model, prompt: 'a tree' })
    const reply = await fetch(`${gateway.url}/v1/generations`, { method: 'POST', headers, body })
    const { status, images, cost } = (await reply.json()) as Generation
    expect({ usage, status, images: images.length, cost }).toMatchObject({ status: 'succeeded', images: 1, cost: { amount: null } })
  }
}, 120_000)
