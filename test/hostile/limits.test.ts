import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'

useRealSockets()

const KEYS = { 'team-a': 'a-key-of-the-limit-tests', 'team-b': 'b-key-of-the-limit-tests', monitor: 'm-key-of-the-limit-tests' } as const
const auth = (key: keyof typeof KEYS) => ({ authorization: `Bearer ${KEYS[key]}` })
const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
const keys = Object.entries(KEYS).map(([name, secret]) => `{ name: ${name}, key_hash: ${hash(secret)} }`)

let server: ServerProcess
let folder: string
const configure = (text: string): void => writeFileSync(join(folder, 'imagegate.yaml'), `keys: [${keys.join(', ')}]\n${text}\n`)

const PER_KEY = '{ generations: 2, streams: 2, bytes: 200000 }'
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-limits-'))
  configure(
    `server: { trust_proxy: [127.0.0.1, 10.0.0.0/8] }\nlimits: { per_address: { requests_per_minute: 6, sockets: 5 }, per_key: ${PER_KEY} }`,
  )
  server = await startProcess({ IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml') })
}, 60_000)
const open: { destroy(): void }[] = []
afterAll(async () => {
  open.forEach((one) => one.destroy())
  await server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

type Headers = Readonly<Record<string, string>>
let clients = 0
/** As many clients as a test needs, each at an address of its own. */
const aClient = (): Headers => ({ 'x-forwarded-for': `198.51.100.${++clients}` })
const get = (path: string, headers: Headers): Promise<Response> => fetch(server.url + path, { headers })
const post = (path: string, body: object, headers: Headers): Promise<Response> =>
  fetch(server.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
const stateOf = ({ status, headers }: Response) => ({
  status,
  policy: headers.get('ratelimit-policy'),
  left: headers.get('ratelimit'),
  retry: headers.get('retry-after'),
})

function dial(say: string): Socket {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  open.push(socket)
  socket.write(say)
  return socket
}
const firstWords = (socket: Socket): Promise<string> => new Promise((resolve) => socket.once('data', (part) => resolve(String(part))))

describe('requests of a client address', () => {
  test('beyond its limit in a minute are 429 in the words of each API, and other clients of the same proxy are served', async () => {
    const client = { 'x-forwarded-for': '203.0.113.7', ...auth('team-a') }
    const first = await get('/v1/models', client)
    expect(stateOf(first)).toMatchObject({
      status: 200,
      policy: '"address";q=6;w=60',
      left: expect.stringMatching(/^"address";r=5;t=\d+$/),
    })
    for (let index = 0; index < 5; index += 1) expect((await get('/nope', { 'x-forwarded-for': '203.0.113.7' })).status).toBe(401)
    const over = await get('/v1/models', client)
    expect(stateOf(over)).toMatchObject({
      status: 429,
      left: expect.stringMatching(/^"address";r=0;t=/),
      retry: expect.stringMatching(/^\d+$/),
    })
    expect(over.headers.get('content-type')).toContain('application/problem+json')
    expect(await over.json()).toMatchObject({ status: 429, code: 'rate_limited', error: { type: 'rate_limit_error' } })
    const openai = await post('/v1/images/generations', { prompt: 'a' }, client)
    expect([openai.status, await openai.json()]).toMatchObject([429, { error: { code: 'rate_limit_exceeded' } }])
    const runware = await post('/runware/v1', [], { 'x-forwarded-for': '203.0.113.7' })
    expect([runware.status, await runware.json()]).toMatchObject([429, { errors: [{ code: 'rateLimitExceeded' }] }])
    const bfl = await post('/bfl/v1/flux-2-pro', { prompt: 'a' }, client)
    expect([bfl.status, await bfl.json()]).toMatchObject([429, { detail: expect.any(String) }])
    expect(bfl.headers.get('retry-after')).toMatch(/^\d+$/)

    expect((await get('/healthz', client)).status).toBe(200)
    expect((await get('/v1/models', { ...client, 'x-forwarded-for': '203.0.113.8' })).status).toBe(200)
  })

  test('are counted by the nearest address that is no trusted proxy, whatever the client wrote before it', async () => {
    const left = async (headers: Headers) => /r=(\d+)/.exec((await get('/v1/models', headers)).headers.get('ratelimit') ?? '')?.[1]
    expect(await left({ 'x-forwarded-for': '203.0.113.20' })).toBe('5')
    expect(await left({ 'x-forwarded-for': '1.2.3.4, 203.0.113.20, 10.1.2.3' })).toBe('4')
    expect(await left({ 'x-forwarded-for': '203.0.113.20:4711' })).toBe('3')
    // The same address again, and another one, as IPv6 has them.
    expect(await left({ 'x-forwarded-for': '::ffff:cb00:7114' })).toBe('2')
    expect(await left({ 'x-forwarded-for': '[0:0:0:0:0:FFFF:cb00:7115]:4711' })).toBe('5')
    expect(await left({ forwarded: 'for=9.9.9.9, for="203.0.113.20";proto=https' })).toBe('1')
    expect(await left({ 'x-forwarded-for': '2001:db8:1:2::1' })).toBe('5')
    expect(await left({ forwarded: 'for="[2001:db8:1:2:ffff::9]:80"' })).toBe('4')
  })
})

test('open generations of a key beyond its limit are refused before anything is bought, on every API, and not for its neighbour', async () => {
  const begin = (key: keyof typeof KEYS, more: Headers = {}) =>
    post(
      '/v1/generations',
      { model: 'flux-2-pro', prompt: 'sandbox:slow' },
      { ...auth(key), ...aClient(), prefer: 'respond-async', ...more },
    )
  const first = await begin('team-a', { 'idempotency-key': 'one' })
  const second = await begin('team-a')
  expect([first.status, second.status]).toEqual([202, 202])
  const over = await begin('team-a')
  expect(stateOf(over)).toEqual({
    status: 429,
    policy: expect.stringContaining('"key-generations";q=2'),
    left: expect.stringContaining('"key-generations";r=0;t=2'),
    retry: '2',
  })
  expect(await over.json()).toMatchObject({ code: 'rate_limited', detail: expect.stringContaining('limits.per_key.generations') })
  const openai = await post('/v1/images/generations', { model: 'flux-2-pro', prompt: 'a' }, { ...auth('team-a'), ...aClient() })
  expect([openai.status, openai.headers.get('retry-after')]).toEqual([429, '2'])
  const bfl = await post('/bfl/v1/flux-2-pro', { prompt: 'a' }, { ...auth('team-a'), ...aClient() })
  expect([bfl.status, bfl.headers.get('retry-after')]).toEqual([429, '2'])
  expect((await begin('team-a', { 'idempotency-key': 'one' })).headers.get('idempotent-replayed')).toBe('true')
  expect((await begin('team-b')).status).toBe(202)
  const list = (await (await get('/v1/generations', { ...auth('team-a'), ...aClient() })).json()) as { data: Generation[] }
  expect(list.data).toHaveLength(2)
  for (const { id } of list.data) await post(`/v1/generations/${id}/cancel`, {}, { ...auth('team-a'), ...aClient() })
  expect((await begin('team-a')).status).toBe(202)
})

test('event streams and WebSockets of a key beyond its limit are refused, until one is closed', async () => {
  const started = await post(
    '/v1/generations',
    { model: 'flux-2-pro', prompt: 'sandbox:slow' },
    { ...auth('monitor'), ...aClient(), prefer: 'respond-async' },
  )
  const { id } = (await started.json()) as Generation
  const controllers = [new AbortController(), new AbortController(), new AbortController()]
  const stream = (index: number) =>
    fetch(`${server.url}/v1/generations/${id}/events`, {
      headers: { ...auth('monitor'), ...aClient() },
      ...(controllers[index] ? { signal: controllers[index].signal } : {}),
    })
  // Held to the end: a reply that nobody holds is closed by the garbage collector.
  const open = [await stream(0), await stream(1)]
  expect(open.map(({ status }) => status)).toEqual([200, 200])
  expect(stateOf(await stream(2))).toMatchObject({ status: 429, left: expect.stringContaining('"key-streams";r=0'), retry: '2' })

  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/runware/v1`)
  await new Promise((resolve) => socket.addEventListener('open', resolve))
  const answer = new Promise((resolve) => socket.addEventListener('message', ({ data }) => resolve(JSON.parse(String(data)))))
  const closed = new Promise((resolve) => socket.addEventListener('close', resolve))
  socket.send(JSON.stringify([{ taskType: 'authentication', apiKey: KEYS.monitor }]))
  expect(await answer).toMatchObject({ errors: [{ message: expect.stringContaining('limits.per_key.streams') }] })
  await closed

  controllers[0]?.abort()
  await vi.waitFor(async () => expect((await stream(2)).status).toBe(200), { interval: 50, timeout: 20_000 })
  controllers.forEach((controller) => controller.abort())
  expect(open).toHaveLength(2)
})

test('a WebSocket whose key comes with its request counts from then on, and later for the key that signs in there', async () => {
  const sockets: WebSocket[] = []
  /** What it says first, once it is asked for it; its close, where that is all. */
  const opened = async (): Promise<{ readonly socket: WebSocket; readonly said: string }> => {
    const headers = { ...auth('team-b'), ...aClient() }
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/runware/v1`, { headers })
    sockets.push(socket)
    const said = new Promise<string>((resolve) => {
      socket.addEventListener('message', ({ data }) => resolve(String(data)), { once: true })
      socket.addEventListener('open', () => socket.send(JSON.stringify([{ taskType: 'ping', ping: true }])))
    })
    return { socket, said: await said }
  }
  const [first, second, third] = [await opened(), await opened(), await opened()]
  for (const { said } of [first, second]) expect(said).toContain('"pong"')
  expect(third.said).toContain('limits.per_key.streams')

  const signedIn = new Promise((resolve) => first.socket.addEventListener('message', ({ data }) => resolve(String(data)), { once: true }))
  first.socket.send(JSON.stringify([{ taskType: 'authentication', apiKey: KEYS['team-a'] }]))
  expect(await signedIn).toContain('"authentication"')
  expect((await opened()).said).toContain('"pong"')
  expect((await opened()).said).toContain('limits.per_key.streams')
  sockets.forEach((socket) => socket.close())
})

test('bytes of bodies of a key beyond its limit are refused before they are read, until those on their way have come', async () => {
  const head = (bytes: number, key: keyof typeof KEYS) =>
    `POST /v1/quotes HTTP/1.1\r\nhost: 127.0.0.1\r\nx-forwarded-for: 198.51.100.200\r\nauthorization: Bearer ${KEYS[key]}\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`
  const slow = dial(head(150_000, 'team-a'))
  await vi.waitFor(async () => {
    const words = await firstWords(dial(head(100_000, 'team-a')))
    expect(words).toMatch(/^HTTP\/1\.1 429 [^]*ratelimit: .*"key-bytes";r=0[^]*connection: close/i)
  }, 20_000)
  const other = dial(head(150_000, 'team-b'))
  other.write(' '.repeat(150_000))
  expect(await firstWords(other)).toMatch(/^HTTP\/1\.1 400 /)
  slow.write(' '.repeat(150_000))
  expect(await firstWords(slow)).toMatch(/^HTTP\/1\.1 400 /)
  const after = dial(head(150_000, 'team-a'))
  after.write(' '.repeat(150_000))
  expect(await firstWords(after)).toMatch(/^HTTP\/1\.1 400 /)
})

test('limits change with a reload, sockets beyond them are answered 429 and closed without a request, and refusals are counted', async () => {
  open.splice(0).forEach((one) => one.destroy())
  configure(`limits: { per_address: { requests_per_minute: off, sockets: 20 }, per_key: ${PER_KEY} }`)
  server.signal('SIGHUP')
  await vi.waitFor(() => expect(server.said()).toMatch(/the changed configuration is in force/), { timeout: 10_000, interval: 50 })
  const idle = Array.from({ length: 20 }, () => dial(''))
  await vi.waitFor(async () => expect(await firstWords(dial(''))).toMatch(/^HTTP\/1\.1 429 /), { timeout: 10_000 })
  const buying = dial(
    `POST /v1/generations HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${KEYS['team-b']}\r\nidempotency-key: never\r\ncontent-type: application/json\r\ncontent-length: 37\r\n\r\n{"model":"flux-2-pro","prompt":"abc"}`,
  )
  const words = await firstWords(buying)
  expect(words).toMatch(
    /^HTTP\/1\.1 429 [^]*retry-after: 2[^]*"address-sockets";q=20[^]*application\/problem\+json[^]*limits\.per_address\.sockets/,
  )
  await new Promise((resolve) => buying.once('close', resolve))

  idle.forEach((socket) => socket.destroy())
  await vi.waitFor(async () => expect((await get('/healthz', {})).status).toBe(200), { timeout: 10_000 })
  const listed = (await (await get('/v1/generations', auth('team-b'))).json()) as { data: { request: { prompt: string } }[] }
  expect(listed.data.map(({ request }) => request.prompt)).not.toContain('abc')
  const metrics = await (await get('/metrics', auth('monitor'))).text()
  for (const [limit, of] of [
    ['requests', 'address'],
    ['generations', 'key'],
    ['streams', 'key'],
    ['bytes', 'key'],
    ['sockets', 'address'],
  ])
    expect(metrics).toMatch(new RegExp(`imagegate_limited_total\\{limit="${limit}",of="${of}"\\} [1-9]`))
})
