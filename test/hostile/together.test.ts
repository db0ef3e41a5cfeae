import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { leastStop, LONGEST_STOP_MS, startNeighbour } from '../support/neighbour.ts'
import type { Neighbour } from '../support/neighbour.ts'

useRealSockets()

const KEY = 'the-key-of-one-that-is-known'
const CONNECTIONS = 300
const QUOTE = JSON.stringify({
  model: 'flux-2-pro',
  prompt: 'a lighthouse',
  width: 1_111,
  height: 777,
  n: 20,
  seed: 4,
  output_format: 'webp',
})
const folder = mkdtempSync(join(tmpdir(), 'imagegate-together-'))
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

let gateway: ServerProcess
let neighbour: Neighbour

const head = (line: string, headers: readonly string[]): string => [`${line} HTTP/1.1`, 'host: 127.0.0.1', ...headers, '', ''].join('\r\n')
const KEYED = `authorization: Bearer ${KEY}`
const REQUESTS = [
  { name: '/openapi.json without a key', request: head('GET /openapi.json', []) },
  { name: '/metrics', request: head('GET /metrics', [KEYED]) },
  { name: '/v1/models', request: head('GET /v1/models', [KEYED]) },
  { name: '/v1/prices', request: head('GET /v1/prices', [KEYED]) },
  {
    name: '/v1/quotes',
    request: head('POST /v1/quotes', [KEYED, 'content-type: application/json', `content-length: ${QUOTE.length}`]) + QUOTE,
  },
]

async function connected(): Promise<net.Socket> {
  const { hostname, port } = new URL(gateway.url)
  const socket = net.connect(Number(port), hostname)
  await once(socket, 'connect')
  return socket
}

/** The status of the one answer, once all of it has come. */
const statusOf = (socket: net.Socket): Promise<string> =>
  new Promise((resolve, reject) => {
    let length = Infinity
    let bytes = 0
    let status = ''
    socket.on('data', (data) => {
      bytes += data.length
      if (status === '') {
        const text = data.toString('latin1')
        status = text.slice(9, 12)
        length = text.indexOf('\r\n\r\n') + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1])
      }
      if (bytes >= length) resolve(status)
    })
    socket.once('error', reject).once('close', () => reject(new Error('closed before the end')))
  })

beforeAll(async () => {
  // The more keys there are, the more series.
  const others = Array.from({ length: 20 }, (_, index) => `{ name: team-${index}, key_hash: ${sha256(`the-key-of-team-${index}`)} }`)
  writeFileSync(join(folder, 'imagegate.yaml'), `keys: [{ name: known, key_hash: ${sha256(KEY)} }, ${others.join(', ')}]\n`)
  gateway = await startProcess({ IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'), IMAGEGATE_DATA: join(folder, 'data') })
  neighbour = await startNeighbour(gateway)
  // What only the first of all costs.
  for (const { request } of REQUESTS) {
    const socket = await connected()
    socket.write(request)
    await statusOf(socket)
    socket.destroy()
  }
}, 60_000)
afterAll(async () => {
  neighbour.end()
  await gateway.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

test.each(REQUESTS)(
  `requests for $name, sent on ${CONNECTIONS} connections in the same moment, stop nobody for 50 ms`,
  { timeout: 60_000 },
  async ({ request }) => {
    const stops = await leastStop(neighbour, async () => {
      const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, connected))
      const answers = sockets.map(statusOf)
      for (const socket of sockets) socket.write(request)
      expect(new Set(await Promise.all(answers))).toEqual(new Set(['200']))
      for (const socket of sockets) socket.destroy()
    })
    console.log(`longest stop ${stops.longestMs.toFixed(0)} ms (${stops.longestWallMs.toFixed(0)} on the wall)`)
    expect(stops.failed).toBe(0)
    expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
  },
)

/** Bodies that take ten milliseconds each to be read: all values are examined for a number of many digits, or for a name that is not taken. */
const VALUES = JSON.stringify(Array.from({ length: 4 }, () => Array.from({ length: 4_800 }, () => 1)))
const TASK = '"taskType":"authentication","apiKey":"nope"'
const SLOW_BODIES = [
  { name: 'a number of many digits', body: `[{${TASK},"y":1234567890123456789,"x":${VALUES}}]` },
  { name: 'a name that is not taken', body: `[{${TASK},"constructor":{"prototype":1},"x":${VALUES}}]` },
]

test.each(SLOW_BODIES)(
  `bodies with $name, whose last bytes come on ${CONNECTIONS} connections without a key in the same moment, stop nobody for 50 ms`,
  { timeout: 60_000 },
  async ({ body }) => {
    const request = head('POST /runware/v1', ['content-type: application/json', `content-length: ${body.length}`]) + body
    const stops = await leastStop(neighbour, async () => {
      const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, connected))
      const answers = sockets.map(statusOf)
      // What comes before the last bytes comes slowly: to read ten megabytes at once takes as long, whatever they are (docs/security.md).
      for (const [index, socket] of sockets.entries()) {
        socket.write(request.slice(0, -1))
        if (index % 5 === 4) await new Promise((resolve) => setTimeout(resolve, 10))
      }
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      for (const socket of sockets) socket.write(request.slice(-1))
      expect(new Set(await Promise.all(answers))).toEqual(new Set(['401']))
      for (const socket of sockets) socket.destroy()
    })
    console.log(`longest stop ${stops.longestMs.toFixed(0)} ms (${stops.longestWallMs.toFixed(0)} on the wall)`)
    expect(stops.failed).toBe(0)
    expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
  },
)
