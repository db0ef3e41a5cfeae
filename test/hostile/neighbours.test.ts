import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { residentBytes } from '../support/resident-bytes.ts'
import { leastStop, LONGEST_STOP_MS } from '../support/neighbour.ts'

useRealSockets()

const KEY = 'a-key-of-the-hostile-tests'
const AUTH = { authorization: `Bearer ${KEY}` }
let server: ServerProcess
let vendor: Server
let folder: string
/** What the vendor answers to a submit. */
let reply = '{}'

beforeAll(async () => {
  vendor = createServer((request, response) => {
    request.resume().once('end', () => response.setHeader('content-type', 'application/json').end(reply))
  }).listen(0, '127.0.0.1')
  await once(vendor, 'listening')
  const vendorUrl = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`
  folder = mkdtempSync(join(tmpdir(), 'imagegate-hostile-'))
  const hash = createHash('sha256').update(KEY).digest('hex')
  writeFileSync(
    join(folder, 'imagegate.yaml'),
    `keys: [{ name: team-a, key_hash: ${hash} }]\nproviders: { runware: { api_key: vendor-key-0123456, base_url: "${vendorUrl}" } }\n`,
  )
  server = await startProcess({ IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml') })
})
afterAll(async () => {
  await server.kill('SIGKILL')
  vendor.close()
  rmSync(folder, { recursive: true, force: true })
})

const post = (path: string, body: string | Buffer<ArrayBuffer>, headers: Readonly<Record<string, string>> = AUTH): Promise<number> =>
  fetch(server.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body })
    .then(async (answer) => {
      await answer.text()
      return answer.status
    })
    // Cut off while it sent.
    .catch(() => 0)

const four = (make: () => Promise<number>) => async (): Promise<void> => void (await Promise.all([make(), make(), make(), make()]))

const JUNK = Buffer.alloc(39_000_000, 'a')
const PNG = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), randomBytes(30_000_000)])
const quoteOf = (reference: string): string => JSON.stringify({ model: 'flux-2-pro', prompt: 'a', reference_images: [reference] })
const IMAGES = JSON.stringify({
  data: Array.from({ length: 200_000 }, (_, i) => ({ taskType: 'imageInference', imageURL: `https://x.example/${i}` })),
})

/** A generation whose vendor answers with `text`; how it ends is not the point here. */
const bought = (text: string) => async (): Promise<void> => {
  reply = text
  await Promise.all(
    [1, 2, 3].map(() => post('/v1/generations', '{"model":"runware/flux-2-pro","prompt":"a"}', { ...AUTH, prefer: 'wait=2' })),
  )
}

const ATTACKS: Readonly<Record<string, () => Promise<void>>> = {
  'four uploads of 39 MB without a key to an unknown path': four(() => post('/nope', JUNK, {})),
  'four uploads of 39 MB without a key to /runware/v1': four(() => post('/runware/v1', JUNK, {})),
  'a body of a million keys': async () =>
    void (await post('/v1/quotes', `{${Array.from({ length: 1e6 }, (_, i) => `"k${i}":1`).join(',')}}`)),
  'a body nested two million deep': async () => void (await post('/v1/quotes', '['.repeat(2e6) + ']'.repeat(2e6))),
  'a prompt of 24 MB': async () => void (await post('/v1/quotes', JSON.stringify({ model: 'flux-2-pro', prompt: 'a "fox" '.repeat(3e6) }))),
  'a reference image of 30 MB inline': async () =>
    void (await post('/v1/quotes', quoteOf(`data:image/png;base64,${PNG.toString('base64')}`))),
  'a reply with 200,000 images': bought(IMAGES),
  'three replies of 45 MB of text': bought(`{"data":[{"a":"${'a b '.repeat(11_000_000)}"}]}`),
  'three replies with 30 MB of base64': bought(`{"data":[{"taskType":"imageInference","imageBase64Data":"${PNG.toString('base64')}"}]}`),
}

test.each(Object.entries(ATTACKS))('%s stops no neighbour for 50 ms', { timeout: 120_000 }, async (name, attack) => {
  const stops = await leastStop(server, attack)
  console.log(`${name}: longest stop ${stops.longestMs.toFixed(0)} ms (${stops.longestWallMs.toFixed(0)} ms on the wall)`)
  expect(stops.failed).toBe(0)
  expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
})

test('eight uploads of 39 MB without a key take no memory', { timeout: 60_000 }, async () => {
  const before = residentBytes(server.pid)
  let most = before
  const timer = setInterval(() => (most = Math.max(most, residentBytes(server.pid))), 5)
  await ATTACKS['four uploads of 39 MB without a key to an unknown path']?.()
  await ATTACKS['four uploads of 39 MB without a key to /runware/v1']?.()
  clearInterval(timer)
  console.log(`eight uploads of 39 MB without a key: ${((most - before) / 1_048_576).toFixed(0)} MiB more`)
  expect((most - before) / 1_048_576).toBeLessThan(50)
})

test('1,000 idle sockets and 200 that send half a request stop no neighbour for 50 ms', { timeout: 60_000 }, async () => {
  const { hostname, port } = new URL(server.url)
  const sockets: Socket[] = []
  const stops = await leastStop(server, async () => {
    for (let index = 0; index < 1_200; index += 1) {
      const socket = connect(Number(port), hostname).on('error', () => {})
      sockets.push(socket)
      if (index % 6 === 0) socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n')
      if (index % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await new Promise((resolve) => setTimeout(resolve, 500))
  })
  sockets.forEach((socket) => socket.destroy())
  console.log(`1,200 sockets: longest stop ${stops.longestMs.toFixed(0)} ms`)
  expect(stops).toMatchObject({ failed: 0 })
  expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
})
