import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { leastStop, LONGEST_STOP_MS, startNeighbour } from '../support/neighbour.ts'
import type { Neighbour } from '../support/neighbour.ts'
import { mostResidentBytes, residentBytes } from '../support/resident-bytes.ts'

useRealSockets()

const KEY = 'the-key-of-one-that-is-known'
const AT_ONCE = 4
const MB = 1_024 * 1_024
const folder = mkdtempSync(join(tmpdir(), 'imagegate-pieces-'))
/** What the server takes at once: 256 KiB of the same few bytes. */
const many = (piece: string): Buffer => Buffer.from(piece.repeat((256 * 1_024) / piece.length))
const CHUNKED = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n'
/** What a vendor sends for ever, behind what it begins with. */
const REPLIES: Readonly<Record<string, { readonly begun: string; readonly more: string }>> = {
  'interim responses': { begun: '', more: 'HTTP/1.1 103 E\r\n\r\n' },
  'chunks of a byte': { begun: CHUNKED, more: '1\r\n \r\n' },
  'trailers of a byte': { begun: `${CHUNKED}0\r\n`, more: 'a: b\r\n' },
}
const IDS = Object.keys(REPLIES).map((name) => name.replaceAll(' ', '-'))
const idOf = (name: string, run: number): string => `${name.replaceAll(' ', '-')}-${run}`
const TRIES = 3

let vendor: net.Server
let gateway: ServerProcess
let neighbour: Neighbour

/** Sends as much as the other side takes, for so long at most. */
function pour(socket: net.Socket, bytes: Buffer, ms: number): void {
  const until = performance.now() + ms
  const go = (): void => {
    if (socket.destroyed) return
    if (performance.now() > until) return void socket.destroy()
    if (socket.write(bytes)) setImmediate(go)
    else socket.once('drain', go)
  }
  go()
}

beforeAll(async () => {
  vendor = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (request) => {
      const name = /^POST \/([a-z-]+)-\d\//.exec(request.toString())?.[1] ?? ''
      const { begun, more } = REPLIES[name.replaceAll('-', ' ')] ?? { begun: '', more: 'x' }
      socket.write(begun)
      pour(socket, many(more), 2_000)
    })
  })
  vendor.listen(0, '127.0.0.1')
  await once(vendor, 'listening')
  const { port } = vendor.address() as AddressInfo
  // The breaker of each opens after its replies.
  const relays = IDS.flatMap((id) =>
    Array.from({ length: TRIES }, (_, run) => `${id}-${run}`).map(
      (each) =>
        `${each}: { shape: openai-images, base_url: "http://127.0.0.1:${port}/${each}", api_key: a-key-of-a-relay, max_in_flight: 20, models: { flux-2-pro: { provider_model: x, price: { per_image: "0.01" } } } }`,
    ),
  )
  const hash = createHash('sha256').update(KEY).digest('hex')
  writeFileSync(join(folder, 'imagegate.yaml'), `keys: [{ name: known, key_hash: ${hash} }]\nproviders: { ${relays.join(', ')} }\n`)
  gateway = await startOverridden({ IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'), IMAGEGATE_DATA: join(folder, 'data') }, {})
  neighbour = await startNeighbour(gateway)
}, 60_000)
afterAll(async () => {
  neighbour.end()
  vendor.close()
  await gateway.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

test.each(Object.keys(REPLIES))('replies of a vendor that are made of %s stop nobody for 50 ms', { timeout: 60_000 }, async (name) => {
  let run = 0
  const stops = await leastStop(
    neighbour,
    async () => {
      const model = `${idOf(name, run)}/flux-2-pro`
      run += 1
      const replies = Array.from({ length: 2 * AT_ONCE }, async () => {
        const reply = await fetch(`${gateway.url}/v1/generations`, {
          method: 'POST',
          headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', prefer: 'wait=60' },
          body: JSON.stringify({ model, prompt: 'a lighthouse' }),
        })
        expect(await reply.json()).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown' } })
      })
      await Promise.all(replies)
    },
    TRIES,
  )
  expect(stops).toMatchObject({ failed: 0 })
  expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
})

describe.each([
  { path: '/v1/generations', key: KEY },
  { path: '/v1/images/edits', key: KEY },
  { path: '/runware/v1', key: KEY },
  { path: '/runware/v1', key: null },
])('a body at $path in chunks of a byte, with the key $key', ({ path, key }) => {
  const post = (): Promise<string> =>
    new Promise((resolve) => {
      const { hostname, port } = new URL(gateway.url)
      const socket = net.connect(Number(port), hostname)
      let answer = ''
      socket.on('error', () => {}).on('data', (data) => (answer += data.toString()))
      socket.once('close', () => resolve(answer))
      const authorization = key === null ? '' : `authorization: Bearer ${key}\r\n`
      socket.write(
        `POST ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\n${authorization}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
      )
      pour(socket, many('1\r\n \r\n'), 2_000)
    })

  test('is refused in words, stops nobody for 50 ms and takes little memory', { timeout: 60_000 }, async () => {
    const before = residentBytes(gateway.pid)
    const most = await mostResidentBytes(gateway.pid, async () => {
      const stops = await leastStop(neighbour, async () => {
        const answers = await Promise.all(Array.from({ length: AT_ONCE / 2 }, post))
        for (const answer of answers)
          expect(answer).toMatch(key === null ? /^HTTP\/1\.1 401 / : /^HTTP\/1\.1 400 [^]*too many small chunks/)
      })
      expect(stops).toMatchObject({ failed: 0 })
      expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
    })
    expect((most - before) / MB).toBeLessThan(100)
  })
})

test('a body in chunks of some bytes, as clients send that write it as they make it, is taken', async () => {
  const tokens = JSON.stringify({ model: 'nobody-has-it', prompt: 'a lighthouse '.repeat(400) }).match(/.{1,12}/g) ?? []
  const reply = await fetch(`${gateway.url}/v1/quotes`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: ReadableStream.from(tokens.map((token) => Buffer.from(token))),
    duplex: 'half',
  })
  expect([tokens.length > 400, await reply.json()]).toMatchObject([true, { code: 'model_not_found' }])
})
