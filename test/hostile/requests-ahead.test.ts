import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { leastStop, LONGEST_STOP_MS, startNeighbour } from '../support/neighbour.ts'
import type { Neighbour } from '../support/neighbour.ts'
import { gatewayWith } from '../support/for-one-test.ts'

useRealSockets()

const CONNECTIONS = 100
/** In one packet. */
const AHEAD = 1_500
/** The one that is answered, and those that may wait behind it. */
const ANSWERED = 33
const REQUESTS = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(AHEAD)
/** More than whether a body may come. */
const EXPECTING = 'GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n'.repeat(AHEAD)
const folder = mkdtempSync(join(tmpdir(), 'imagegate-ahead-'))

let gateway: ServerProcess
let neighbour: Neighbour

beforeAll(async () => {
  const hash = createHash('sha256').update('the-key-of-one-that-is-known').digest('hex')
  writeFileSync(join(folder, 'imagegate.yaml'), `keys: [{ name: known, key_hash: ${hash} }]\n`)
  gateway = await startProcess({ IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'), IMAGEGATE_DATA: join(folder, 'data') })
  neighbour = await startNeighbour(gateway)
}, 60_000)
afterAll(async () => {
  neighbour.end()
  await gateway.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

async function connected(url = gateway.url): Promise<net.Socket> {
  const { hostname, port } = new URL(url)
  const socket = net.connect(Number(port), hostname)
  await once(socket, 'connect')
  return socket
}

/** How many answers come before the connection is closed. */
const answersOf = (socket: net.Socket): Promise<number> =>
  new Promise((resolve) => {
    let text = ''
    socket.on('data', (data) => (text += data.toString('latin1'))).on('error', () => {})
    socket.once('close', () => resolve(text.split('HTTP/1.1 ').length - 1))
  })

test(
  `requests without a key, ${AHEAD} in one packet on each of ${CONNECTIONS} connections, stop nobody for 50 ms`,
  { timeout: 120_000 },
  async () => {
    const stops = await leastStop(neighbour, async () => {
      const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => connected()))
      const answers = sockets.map(answersOf)
      for (const socket of sockets) socket.write(REQUESTS)
      expect(new Set(await Promise.all(answers))).toEqual(new Set([ANSWERED]))
    })
    console.log(`longest stop ${stops.longestMs.toFixed(0)} ms (${stops.longestWallMs.toFixed(0)} on the wall)`)
    expect(stops.failed).toBe(0)
    expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
  },
)

test('requests that expect what nobody meets stop nobody for 50 ms either, where no keys are', { timeout: 120_000 }, async () => {
  const open = await gatewayWith('')
  const beside = await startNeighbour(open)
  onTestFinished(() => beside.end())
  const stops = await leastStop(beside, async () => {
    const sockets = await Promise.all(Array.from({ length: 30 }, () => connected(open.url)))
    const answers = sockets.map(answersOf)
    for (const socket of sockets) socket.write(EXPECTING)
    // Its answer ends a connection.
    expect(new Set(await Promise.all(answers))).toEqual(new Set([1]))
  })
  expect(stops.failed).toBe(0)
  expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
})
