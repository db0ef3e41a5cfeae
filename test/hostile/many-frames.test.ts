import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { gatewayWith } from '../support/for-one-test.ts'
import { LONGEST_STOP_MS, startNeighbour } from '../support/neighbour.ts'
import { mostResidentBytes, residentBytes } from '../support/resident-bytes.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const KEY = 'a-key-that-may-read'
const MEGABYTE = 1_000_000
const CONNECTIONS = 40
/** Not the neighbour’s. */
const ELSEWHERE = '127.0.0.2'
const AT_ONCE = 20
/** As a client sends them: masked, and of one byte or none. */
const message = Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x20])
const first = Buffer.from([0x01, 0x81, 0, 0, 0, 0, 0x20])
const next = Buffer.from([0x00, 0x81, 0, 0, 0, 0, 0x20])
const ping = Buffer.from([0x89, 0x80, 0, 0, 0, 0])
const many = (frame: Buffer): Buffer => Buffer.alloc(frame.length * 9_000, frame)
const chunks = `POST /v1/generations HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n${'1\r\na\r\n'.repeat(10_000)}`

let gateway: { readonly url: string; readonly pid: number }

async function connected(): Promise<Socket> {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect({ host: hostname, port: Number(port), localAddress: ELSEWHERE }).on('error', () => {})
  await once(socket, 'connect')
  return socket
}

const upgrade = (headers = ''): string =>
  `GET /runware/v1 HTTP/1.1\r\nhost: localhost\r\n${headers}connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${randomBytes(16).toString('base64')}\r\n\r\n`

async function websocket(headers = ''): Promise<Socket> {
  const socket = await connected()
  socket.write(upgrade(headers))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(String(answer)).toContain('101')
  return socket.resume()
}

async function all(make: () => Promise<Socket>): Promise<readonly Socket[]> {
  const made: Socket[] = []
  while (made.length < CONNECTIONS) made.push(...(await Promise.all(Array.from({ length: AT_ONCE }, make))))
  return made
}

/** Sends the same on all connections in one moment. */
async function sendOn(
  sockets: readonly Socket[],
  bytes: string | Buffer,
): Promise<{ readonly stopMs: number; readonly moreBytes: number }> {
  let stopMs = 0
  const before = residentBytes(gateway.pid)
  const neighbour = await startNeighbour(gateway)
  const most = await mostResidentBytes(gateway.pid, async () => {
    const stops = await neighbour.stopsDuring(async () => {
      for (const socket of sockets) socket.write(bytes)
      await sleep(1_000)
    })
    stopMs = stops.longestMs
    expect(stops.failed).toBe(0)
  })
  neighbour.end()
  for (const socket of sockets) socket.destroy()
  return { stopMs, moreBytes: most - before }
}

const reader = `authorization: Bearer ${KEY}\r\n`

test.each<readonly [string, () => Promise<Socket>, string | Buffer]>([
  ['messages of a byte, by WebSockets without a key', websocket, many(message)],
  ['unfinished messages of a byte a frame, by WebSockets without a key', websocket, Buffer.concat([first, many(next)])],
  ['pings, by WebSockets without a key', websocket, many(ping)],
  ['messages of a byte, by WebSockets of a key', () => websocket(reader), many(message)],
  ['unfinished messages of a byte a frame, by WebSockets of a key', () => websocket(reader), Buffer.concat([first, many(next)])],
  ['frames behind the request to upgrade, in its packet', connected, Buffer.concat([Buffer.from(upgrade()), many(message)])],
  ['bodies in chunks of a byte', connected, chunks],
])('%s: 40 packets of 63 kB in one moment stop nobody and take little memory', { timeout: 60_000 }, async (_, make, bytes) => {
  const hash = createHash('sha256').update(KEY).digest('hex')
  gateway = await gatewayWith(`keys: [{ name: reader, scope: read, key_hash: ${hash} }]\n`)
  const { stopMs, moreBytes } = await sendOn(await all(make), bytes)
  expect(stopMs).toBeLessThan(LONGEST_STOP_MS)
  expect(moreBytes / MEGABYTE).toBeLessThan(150)
})
