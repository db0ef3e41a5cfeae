import { createHash } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { gatewayWith } from '../support/for-one-test.ts'
import { residentBytes } from '../support/resident-bytes.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const KEY = 'the-key-of-one-that-is-known'
const KEYS = `keys: [{ name: known, key_hash: ${createHash('sha256').update(KEY).digest('hex')} }]\n`
const AUTH = `authorization: Bearer ${KEY}\r\n`
const HEALTH = 'GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n'
const NONCE = Buffer.alloc(16, 'k').toString('base64')
const UPGRADE = `GET /runware/v1 HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${NONCE}\r\n\r\n`

/** What comes on a connection until the server closes it, or until `enough` has come; then it is closed, or reset. @param later said in a packet of its own */
function conversation(url: string, said: string, enough?: RegExp, how: 'end' | 'resetAndDestroy' = 'end', later?: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname, () => socket.write(said)).on('error', () => {})
  if (later !== undefined) setTimeout(() => socket.writable && socket.write(later), 3)
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part
    if (enough?.test(text) === true) socket[how]()
  })
  return new Promise((resolve) => socket.once('close', () => resolve(text)))
}

const statuses = (text: string): readonly number[] => [...text.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status))
const socketsOf = (pid: number): number =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:')
    } catch {
      return false
    }
  }).length

test('a WebSocket that is asked for before the answer to an earlier request gets none, and its connection is not kept', async () => {
  const { url, pid } = await gatewayWith(KEYS)
  await conversation(url, HEALTH, /"ok"/)
  const before = socketsOf(pid)
  const both = /HTTP[^]*HTTP[^]*\}/
  const answers = await Promise.all(Array.from({ length: 20 }, () => conversation(url, HEALTH + UPGRADE, both)))
  expect(answers.map(statuses)).toEqual(answers.map(() => [200, 401]))
  const known = UPGRADE.replace('host: a\r\n', `host: a\r\n${AUTH}`)
  expect(statuses(await conversation(url, HEALTH + known, both))).toEqual([200, 426])
  expect(statuses(await conversation(url, known, /HTTP/))).toEqual([101])
  await expect.poll(() => socketsOf(pid)).toBeLessThanOrEqual(before)
})

const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 })
const purchase = (headers: string): string =>
  `POST /v1/generations HTTP/1.1\r\nhost: 127.0.0.1\r\n${AUTH}content-type: application/json\r\ncontent-length: ${body.length}\r\n${headers}\r\n${body}`

test.each([
  ['no HTTP', purchase('') + '\0\0nothing\r\n\r\n'],
  ['a request, though it said that it was the last', purchase('connection: close\r\n') + HEALTH],
  ['a request for a tunnel', purchase('') + 'CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n'],
  ['half a request, and a request before', HEALTH + purchase('') + 'GET / HTT\r\n\r\n'],
])('a purchase is answered where %s comes behind it, and the connection closed', async (_, said) => {
  const { url } = await gatewayWith(KEYS)
  const text = await conversation(url, said)
  expect(text).toContain('"status":"succeeded"')
  expect(statuses(text)).toEqual(said.startsWith('GET') ? [200, 200] : [200])
})

const EITHER = [KEYS, '']
test.each([
  ['a body that nobody reads', EITHER, `GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 4\r\n\r\nbody`],
  ['bad JSON', EITHER, purchase('').replace('{', ' ')],
  ['a key that is none', [KEYS], purchase('').replace(KEY, 'another-key')],
  ['a path that is none', EITHER, purchase('').replace('/v1/generations', '/v1/nothing')],
  ['a broken path', EITHER, purchase('').replace('/v1/generations', '/v1/%zz')],
  ['an expectation that nobody meets', EITHER, purchase('expect: nonsense\r\n')],
  ['a type that is none of JSON', EITHER, purchase('').replace('application/json', 'text/plain')],
  ['a foreign origin, where no keys are', [''], purchase('origin: http://evil.example\r\n')],
])('purchases are not begun behind a request whose answer ends the connection: %s', async (_, configs, first) => {
  for (const config of configs) {
    const { url } = await gatewayWith(config)
    const text = await conversation(url, first + purchase('').repeat(3))
    const apart = await conversation(url, first, undefined, 'end', purchase(''))
    const bought = await (await fetch(`${url}/v1/generations`, { headers: { authorization: `Bearer ${KEY}` } })).json()
    const answered = (text + apart).split('"object":"generation"').length - 1
    expect((bought as { readonly data: readonly unknown[] }).data).toHaveLength(answered)
  }
})

test('bodies behind a request that waits for its answer are read once it is answered, and take no memory before', async () => {
  const { url, pid } = await gatewayWith(KEYS)
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', prefer: 'respond-async' }
  const never = JSON.stringify({ model: 'flux-2-pro', prompt: 'a fox sandbox:never' })
  const { id } = (await (await fetch(`${url}/v1/generations`, { method: 'POST', headers, body: never })).json()) as { readonly id: string }
  const waits = `GET /v1/generations/${id} HTTP/1.1\r\nhost: a\r\n${AUTH}prefer: wait=3\r\n\r\n`
  const chunks = `POST /v1/quotes HTTP/1.1\r\nhost: a\r\n${AUTH}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${'1\r\n \r\n'.repeat(60_000)}0\r\n\r\n`
  const before = residentBytes(pid)
  const conversations = Array.from({ length: 3 }, () => conversation(url, waits + chunks.repeat(20)))
  let most = before
  const watch = setInterval(() => (most = Math.max(most, residentBytes(pid))), 100)
  const answers = await Promise.all(conversations).finally(() => clearInterval(watch))
  expect(answers.map(statuses)).toEqual(answers.map(() => [200, 400]))
  expect((most - before) / 1_024 / 1_024).toBeLessThan(150)
})

test('a tunnel that is asked for behind others, and whose client is gone, leaves nothing behind and ends nothing', async () => {
  const { url, pid } = await gatewayWith(KEYS)
  await conversation(url, HEALTH, /"ok"/)
  const before = socketsOf(pid)
  const tunnel = 'CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n'
  const gone = Array.from({ length: 20 }, () => conversation(url, HEALTH + HEALTH + tunnel, /HTTP/, 'resetAndDestroy'))
  await Promise.all([...gone, conversation(url, tunnel, /HTTP/, 'resetAndDestroy')])
  expect(statuses(await conversation(url, HEALTH + HEALTH + tunnel))).toEqual([200, 200])
  expect(statuses(await conversation(url, tunnel))).toEqual([405])
  await expect.poll(() => socketsOf(pid)).toBeLessThanOrEqual(before)
})
