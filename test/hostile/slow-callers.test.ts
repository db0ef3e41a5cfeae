import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { freePort } from '../support/free-port.ts'

useRealSockets()

const KEY = 'a-key-of-the-slow-callers'
/** A tenth of what is promised, and for a whole request of a known caller a hundredth. */
const TIMES = { headersMs: 1_000, searchedEveryMs: 200, requestMs: 3_000, strangerMs: 1_300 }
const SOCKET_MS = 1_500
/** Of all bodies on their way: more than all of these tests announce together. */
const MOST_BYTES = 5_000_000
/** What nobody ends, or what does not keep to these times, takes longer: the promised ones begin at 10 s. */
const LATEST_MS = 9_500

let vendors: Vendors
let folder: ReturnType<Vendors['folder']>
let server: ServerProcess
let hook = ''
beforeAll(async () => {
  vendors = await startVendors({ providers: ['runware'] })
  const port = await freePort()
  const hash = createHash('sha256').update(KEY).digest('hex')
  folder = vendors.folder(
    `keys: [{ name: team-a, key_hash: ${hash} }]\nserver: { public_url: "http://127.0.0.1:${port}" }\nlimits: { all: { bytes: ${MOST_BYTES} } }\n`,
  )
  const overrides = { providers: ['runware'], connectionTimes: TIMES, unreadMs: SOCKET_MS * 4 }
  server = await startOverridden({ ...folder.environment, PORT: String(port) }, overrides)
  await fetch(`${server.url}/v1/generations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', prefer: 'respond-async' },
    body: JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse sandbox:never' }),
  })
  hook = await vi.waitFor(
    () => {
      const said = vendors.front('runware').visits.map(({ body }) => body)
      return new URL(/"webhookURL":"([^"]+)"/.exec(said.join('\n'))?.[1] ?? 'not given yet').pathname
    },
    { timeout: 60_000 },
  )
}, 60_000)
afterAll(async () => {
  open.forEach((socket) => socket.destroy())
  await server.kill('SIGKILL')
  await vendors.close()
  folder.remove()
})

const open: Socket[] = []
function dial(): Socket {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  open.push(socket)
  return socket.setEncoding('latin1')
}

interface End {
  readonly text: string
  readonly ms: number
}

/** Says something, goes on with `more` for ever, and hears what comes until the gateway closes. */
function slowly(first: string, more = ''): Promise<End> {
  const socket = dial()
  const startedAt = performance.now()
  let text = ''
  socket.on('data', (part: string) => (text += part))
  if (first !== '') socket.write(first, 'latin1')
  const drip = setInterval(() => more !== '' && socket.write(more, 'latin1'), 100)
  return new Promise((resolve) =>
    socket.once('close', () => {
      clearInterval(drip)
      resolve({ text, ms: performance.now() - startedAt })
    }),
  )
}

const KEYS = { nobody: '', unknown: 'authorization: Bearer of-nobody\r\n', known: `authorization: Bearer ${KEY}\r\n` } as const
const CALLBACKS = 'callbacks of vendors'
const NOTHING = 'an unknown path'
const FORM = 'multipart/form-data; boundary=B'
const APIS: readonly (readonly [api: string, path: () => string, type: string])[] = [
  ['the native API', () => '/v1/generations', 'application/json'],
  ['quotes', () => '/v1/quotes', 'application/json'],
  ['OpenAI’s API', () => '/v1/images/generations', 'application/json'],
  ['a form of OpenAI’s API', () => '/v1/images/edits', FORM],
  ['BFL’s API', () => '/bfl/v1/flux-2-pro', 'application/json'],
  ['Runware’s API', () => '/runware/v1', 'application/json'],
  ['MCP', () => '/mcp', 'application/json'],
  [CALLBACKS, () => hook, 'application/json'],
  [NOTHING, () => '/nothing', 'application/json'],
]
const START: Readonly<Record<string, string>> = { 'application/json': '[', [FORM]: '--B\r\n' }

/** What is never sent whole: a body that drips, one that stops, in chunks or announced. */
function bodies(path: string, type: string, key: string): readonly Promise<End>[] {
  const start = START[type] ?? ''
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${key}content-type: ${type}\r\n`
  const announced = `${head}content-length: 60000\r\n\r\n${start}`
  const chunked = `${head}transfer-encoding: chunked\r\n\r\n${start.length.toString(16)}\r\n${start}\r\n`
  return [slowly(announced, ' '), slowly(announced), slowly(chunked, '1\r\n \r\n'), slowly(chunked)]
}

const statusOf = ({ text }: End): string => /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? ''
const late = (ends: readonly End[]): readonly number[] => ends.map(({ ms }) => Math.round(ms)).filter((ms) => ms > LATEST_MS)

/** What is slow at one API. All of it is begun at once, for it waits and nothing else. */
interface Slow {
  readonly heads: readonly Promise<End>[]
  readonly ofStrangers: readonly Promise<End>[]
  readonly ofKnown: readonly Promise<End>[]
}
let slow: readonly Slow[]
beforeAll(() => {
  slow = APIS.map(([, path, type]) => ({
    heads: Object.values(KEYS).flatMap((key) => [
      slowly(`POST ${path()} HTTP/1.1\r\nhost: 127.0.0.1\r\n${key}`, 'x-a: b\r\n'),
      slowly(`GET ${path()} HTTP/1.1\r\nhost: 127.0.0.1\r\n${key}`),
    ]),
    ofStrangers: [KEYS.nobody, KEYS.unknown].flatMap((key) => bodies(path(), type, key)),
    ofKnown: bodies(path(), type, KEYS.known),
  }))
})

describe('a slow caller is closed in the time that is promised', { timeout: 60_000 }, () => {
  test.each(APIS.map(([api], index) => [api, index] as const))('a stranger’s headers and bodies at %s', async (api, index) => {
    const headers = await Promise.all(slow[index]?.heads ?? [])
    const ends = await Promise.all(slow[index]?.ofStrangers ?? [])
    expect([headers.length, ends.length]).toEqual([6, 8])
    expect(headers.map(statusOf)).toEqual(headers.map(() => '408'))
    expect([late(headers), late(ends)]).toEqual([[], []])
    // A callback’s address is its proof, so that its body is waited for, as that of a stranger whose key may stand in the body.
    const waited = api === CALLBACKS ? ends : api === 'Runware’s API' ? ends.slice(0, 4) : []
    expect(waited.filter(({ ms }) => ms < TIMES.strangerMs)).toEqual([])
    const answered = ends.filter((end) => !waited.includes(end))
    expect(answered.map(statusOf)).toEqual(answered.map(() => '401'))
  })

  test.each(APIS.flatMap(([api], index) => (api === CALLBACKS || api === NOTHING ? [] : [[api, index] as const])))(
    'a known caller’s body at %s, with 408 and not before their time',
    async (_api, index) => {
      const ends = await Promise.all(slow[index]?.ofKnown ?? [])
      expect(ends.map(statusOf)).toEqual(['408', '408', '408', '408'])
      expect(late(ends)).toEqual([])
      expect(ends.filter(({ ms }) => ms < TIMES.requestMs)).toEqual([])
    },
  )

  test('a socket that says nothing, half a line, or nothing more behind an answer', async () => {
    const ends = await Promise.all([
      slowly(''),
      slowly('', '\r\n'),
      slowly('GET /he'),
      slowly('GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n'),
      ...APIS.map(([, path]) => slowly(`GET ${path()} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)),
      slowly(`POST ${hook} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n`),
    ])
    expect(late(ends)).toEqual([])
  })

  test('a WebSocket that shows no key, whatever it sends, while one with a key stays', async () => {
    const upgrade = (path: string, key = ''): string =>
      `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${key}connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
    /** A masked frame whose mask is zero. */
    const frame = (first: number, text: string): string => String.fromCharCode(first, 0x80 + text.length, 0, 0, 0, 0) + text
    const known = dial()
    let said = ''
    known.on('data', (part: string) => (said += part)).write(upgrade('/runware/v1', KEYS.known))
    const ends = await Promise.all([
      slowly(upgrade('/runware/v1')),
      slowly(upgrade('/runware')),
      slowly(upgrade('/runware/v1', KEYS.unknown)),
      slowly(upgrade('/runware/v1'), frame(0x89, 'x')),
      slowly(upgrade('/runware/v1'), frame(0x81, '[{"taskType":"ping","ping":true}]')),
      slowly(upgrade('/runware/v1'), frame(0x81, '[{"taskType":"authentication","apiKey":"of-nobody"}]')),
      slowly(upgrade('/runware/v1') + frame(0x01, '['), frame(0x00, ' ')),
      slowly(upgrade('/healthz')),
      slowly(upgrade('/v1/generations')),
      slowly(upgrade('/runware/v1').slice(0, -2), 'x-a: b\r\n'),
    ])
    expect(late(ends)).toEqual([])
    const [unknown, ...waited] = [ends[2], ...ends.slice(0, 2), ...ends.slice(3, 7)]
    expect(unknown?.text).toMatch(/^HTTP\/1\.1 401 /)
    expect(waited.filter(({ ms, text }) => ms < SOCKET_MS || !text.startsWith('HTTP/1.1 101'))).toEqual([])
    expect(known.destroyed).toBe(false)
    known.write(frame(0x81, '[{"taskType":"ping","ping":true}]'), 'latin1')
    await expect.poll(() => said, { timeout: 60_000 }).toContain('pong')
  })
})

test('a body that was announced and never sent counts no more', async () => {
  const socket = dial()
  const said = new Promise((resolve) => socket.once('data', resolve))
  socket.write(
    `POST /v1/quotes HTTP/1.1\r\nhost: 127.0.0.1\r\n${KEYS.known}expect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: ${MOST_BYTES}\r\n\r\n`,
  )
  expect(await said).toMatch(/^HTTP\/1\.1 100 /)
})
