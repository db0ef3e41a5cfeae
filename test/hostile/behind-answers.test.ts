import { createHash } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { gatewayWith } from '../support/for-one-test.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const KEY = 'the-key-of-one-that-is-known'
const KEYS = `keys: [{ name: known, key_hash: ${createHash('sha256').update(KEY).digest('hex')} }]\n`
const AUTH = `authorization: Bearer ${KEY}\r\n`
const HEALTH = 'GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n'
const NONCE = Buffer.alloc(16, 'k').toString('base64')
const UPGRADE = `GET /runware/v1 HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${NONCE}\r\n\r\n`

/** What comes on a connection until the server closes it, or until `enough` has come; then it is closed, or reset. */
function conversation(url: string, said: string, enough?: RegExp, how: 'end' | 'resetAndDestroy' = 'end'): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname, () => socket.write(said)).on('error', () => {})
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
  `POST /v1/generations HTTP/1.1\r\nhost: a\r\n${AUTH}content-type: application/json\r\ncontent-length: ${body.length}\r\n${headers}\r\n${body}`

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

test.each([
  ['a body that nobody reads', `GET /healthz HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody`],
  ['bad JSON', purchase('').replace('{', ' ')],
  ['a key that is none', purchase('').replace(KEY, 'another-key')],
  ['a path that is none', purchase('').replace('/v1/generations', '/v1/nothing')],
  ['an expectation that nobody meets', purchase('expect: nonsense\r\n')],
])('a purchase is not begun behind a request whose answer ends the connection: %s', async (_, first) => {
  const { url } = await gatewayWith(KEYS)
  const text = await conversation(url, first + purchase(''))
  const bought = await (await fetch(`${url}/v1/generations`, { headers: { authorization: `Bearer ${KEY}` } })).json()
  const answered = text.split('"object":"generation"').length - 1
  expect((bought as { readonly data: readonly unknown[] }).data).toHaveLength(answered)
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
