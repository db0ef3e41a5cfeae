import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Generation } from '#contract'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { closeClient, send } from './client.ts'
import type { Received } from './client.ts'

useRealSockets()

const KEYS = { a: 'a-key-of-limits-from-outside', b: 'b-key-of-limits-from-outside' } as const
type Key = keyof typeof KEYS
const LIMITS = '{ per_address: { bytes: 200000 }, all: { sockets: 20, streams: 1, generations: 1, bytes: 300000 } }'
const BODY_LIMIT_BYTES = 120_000

let server: ServerProcess
let folder: string
const open: Socket[] = []
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-from-outside-'))
  const keys = Object.entries(KEYS).map(([name, key]) => `{ name: ${name}, key_hash: ${createHash('sha256').update(key).digest('hex')} }`)
  writeFileSync(
    join(folder, 'imagegate.yaml'),
    `keys: [${keys.join(', ')}]\nserver: { trust_proxy: [127.0.0.1], body_limit_bytes: ${BODY_LIMIT_BYTES} }\nlimits: ${LIMITS}\n`,
  )
  server = await startOverridden(
    { IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml') },
    { sandboxTypicalMs: 20 },
  )
}, 60_000)
afterAll(async () => {
  open.forEach((socket) => socket.destroy())
  closeClient()
  await server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

const PIXELS = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }

/** One after the other, so on one connection that stays open. */
const ask = (key: Key, path: string, body?: object, more: readonly string[] = []): Promise<Received> =>
  send(server.url, {
    method: body ? 'POST' : 'GET',
    path,
    headers: ['authorization', `Bearer ${KEYS[key]}`, ...(body ? ['content-type', 'application/json'] : []), ...more],
    body: body ? Buffer.from(JSON.stringify(body)) : null,
  })
const jsonOf = ({ body }: Received): unknown => JSON.parse(body.toString())

function dial(say: string): Socket {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  open.push(socket)
  socket.write(say)
  return socket
}
const firstWords = (socket: Socket): Promise<string> => new Promise((resolve) => socket.once('data', (part) => resolve(String(part))))

/** A whole refusal: which limit, when to come back, and why. */
async function isRefused(socket: Socket, limit: string, setting: string): Promise<void> {
  const words = await firstWords(socket)
  expect(words).toMatch(/^HTTP\/1\.1 429 [^]*application\/problem\+json[^]*\r\n\r\n/)
  expect(words).toMatch(/^retry-after: 2\r$/im)
  expect(words).toContain(`ratelimit: "${limit}";r=0;t=2`)
  expect(words).toContain(`(limits.${setting})`)
}

const upload = (key: Key, address: string, type = 'application/json'): Socket =>
  dial(
    `POST /v1/quotes HTTP/1.1\r\nhost: 127.0.0.1\r\nx-forwarded-for: ${address}\r\nauthorization: Bearer ${KEYS[key]}\r\ncontent-type: ${type}\r\ncontent-length: 110000\r\n\r\n`,
  )
/** The rest of an upload: it makes no sense, so that it is read whole and answered 400. */
async function isReadWhole(socket: Socket): Promise<void> {
  socket.write(' '.repeat(110_000))
  expect(await firstWords(socket)).toMatch(/^HTTP\/1\.1 400 /)
}

test('bytes of bodies beyond those of one address, and of all together, are refused before they are read, until those on their way have come', async () => {
  const first = upload('a', '198.51.100.1')
  await vi.waitFor(async () => isRefused(upload('b', '198.51.100.1'), 'address-bytes', 'per_address.bytes'), { timeout: 20_000 })
  const second = upload('b', '198.51.100.2')
  await vi.waitFor(async () => isRefused(upload('a', '198.51.100.3'), 'all-bytes', 'all.bytes'), { timeout: 20_000 })
  await isReadWhole(first)
  await isReadWhole(upload('a', '198.51.100.1'))
  await isReadWhole(second)
  await isReadWhole(upload('a', '198.51.100.3'))
  open.splice(0).forEach((socket) => socket.destroy())
})

test('bytes of a body that is refused unread are given back', async () => {
  for (let index = 0; index < 4; index += 1)
    expect(await firstWords(upload('a', '198.51.100.4', 'text/odd'))).toMatch(/^HTTP\/1\.1 415 [^]*connection: close/i)
  await isReadWhole(upload('a', '198.51.100.4'))
})

test('one open generation and one event stream more than all together may have are refused, and both are taken once the first has ended', async () => {
  const begin = (key: Key) => ask(key, '/v1/generations', { ...PIXELS, prompt: 'sandbox:never' }, ['prefer', 'respond-async'])
  const started = await begin('a')
  expect(started.status).toBe(202)
  const { id } = jsonOf(started) as Generation
  const over = await begin('b')
  expect([over.status, over.headers['retry-after'], over.headers['ratelimit']]).toEqual([
    429,
    '2',
    expect.stringContaining('"all-generations";r=0;t=2'),
  ])
  expect(jsonOf(over)).toMatchObject({ code: 'rate_limited', detail: expect.stringContaining('limits.all.generations') })
  // A comparison of which no provider can be asked is refused as a whole: it would leave nothing but its references.
  const comparison = await ask('b', '/v1/comparisons', PIXELS)
  expect([comparison.status, jsonOf(comparison)]).toMatchObject([429, { code: 'rate_limited' }])
  expect(jsonOf(await ask('b', '/v1/comparisons'))).toMatchObject({ data: [] })

  const stream = () => dial(`GET /v1/generations/${id}/events HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${KEYS.a}\r\n\r\n`)
  const reading = stream()
  expect(await firstWords(reading)).toMatch(/^HTTP\/1\.1 200 /)
  await isRefused(stream(), 'all-streams', 'all.streams')
  reading.destroy()
  await vi.waitFor(async () => expect(await firstWords(stream())).toMatch(/^HTTP\/1\.1 200 /), { timeout: 5_000, interval: 50 })
  open.splice(0).forEach((socket) => socket.destroy())

  await ask('a', `/v1/generations/${id}/cancel`, {})
  const next = await ask('b', '/v1/generations', PIXELS)
  expect([next.status, (jsonOf(next) as Generation).status]).toEqual([200, 'succeeded'])
})

test('a connection more than all together may have is answered 429 and closed, who is connected is served, and others once some have gone', async () => {
  expect((await ask('a', '/v1/models')).status).toBe(200)
  const idle = Array.from({ length: 19 }, () => dial(''))
  await vi.waitFor(async () => isRefused(dial(''), 'all-sockets', 'all.sockets'), { timeout: 20_000 })
  expect((await ask('a', '/v1/models')).status).toBe(200)
  idle[0]?.destroy()
  const healthz = () => dial('GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n')
  await vi.waitFor(async () => expect(await firstWords(healthz())).toMatch(/^HTTP\/1\.1 200 /), { timeout: 5_000, interval: 50 })
  open.splice(0).forEach((socket) => socket.destroy())
  const metrics = (await ask('a', '/metrics')).body.toString()
  for (const [limit, of] of [
    ['bytes', 'address'],
    ['bytes', 'all'],
    ['generations', 'all'],
    ['streams', 'all'],
    ['sockets', 'all'],
  ])
    expect(metrics).toMatch(new RegExp(`imagegate_limited_total\\{limit="${limit}",of="${of}"\\} [1-9]`))
})

test.each([
  ['/v1/generations', { code: 'payload_too_large', status: 413, detail: expect.stringContaining('server.body_limit_bytes') }],
  ['/v1/images/generations', { error: { message: expect.stringContaining('server.body_limit_bytes') } }],
  ['/bfl/v1/flux-2-pro', { detail: expect.anything() }],
  ['/runware/v1', { errors: [{ message: expect.stringContaining('larger than this server takes') }] }],
])('a body in chunks that is too large is 413 at %s, and nothing more of it is read', async (path, document) => {
  // Blank, because a text that no field can take is refused earlier.
  const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`
  const socket = dial(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${KEYS.a}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n`,
  )
  const closed = new Promise((resolve) => socket.once('close', resolve))
  let said = ''
  socket.on('data', (part) => (said += String(part)))
  const more = setInterval(() => said === '' && socket.write(chunk), 5)
  await vi.waitFor(() => expect(said).toMatch(/\r\n\r\n[^]*\}$/), { timeout: 5_000, interval: 10 })
  clearInterval(more)
  const [head = '', body = ''] = said.split('\r\n\r\n', 2)
  expect(head).toMatch(/^HTTP\/1\.1 413 [^]*connection: close/i)
  expect(JSON.parse(body)).toMatchObject(document)
  // Whoever goes on sending finds the connection closed.
  const answeredAt = performance.now()
  const goOn = setInterval(() => socket.write(chunk), 5)
  await closed
  expect(performance.now() - answeredAt).toBeLessThan(2_000)
  clearInterval(goOn)
  expect(said).toBe(`${head}\r\n\r\n${body}`)
})
