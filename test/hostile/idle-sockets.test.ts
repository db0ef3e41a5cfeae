import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { leastStop, LONGEST_STOP_MS, startNeighbour } from '../support/neighbour.ts'
import type { Neighbour } from '../support/neighbour.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const COUNT = 5_000
/** Those opened together are found together, as after the ten seconds that are promised. */
const TIMES = { headersMs: 1_000, searchedEveryMs: 1_000, requestMs: 300_000, strangerMs: 13_000 }

const folder = mkdtempSync(join(tmpdir(), 'imagegate-idle-'))
let server: ServerProcess
let neighbour: Neighbour
beforeAll(async () => {
  server = await startOverridden({ IMAGEGATE_DATA: folder, IMAGEGATE_CONFIG: '' }, { providers: ['bfl'], connectionTimes: TIMES })
  neighbour = await startNeighbour(server)
}, 60_000)
afterAll(async () => {
  neighbour.end()
  await server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** Fewer than the system keeps for a server that has not taken them yet: of more, it would forget some that believe themselves connected. */
const AT_ONCE = 250

/** Opens all of them, and is done once the gateway has answered and closed each. @returns how many were answered 408 */
async function openedTogether(say: string): Promise<number> {
  const { hostname, port } = new URL(server.url)
  let answered = 0
  const ended: Promise<unknown>[] = []
  const open = (): Promise<unknown> => {
    const socket: Socket = connect(Number(port), hostname).on('error', () => {})
    socket.once('data', (part) => (answered += String(part).startsWith('HTTP/1.1 408') ? 1 : 0))
    if (say !== '') socket.write(say)
    ended.push(new Promise((resolve) => socket.once('close', resolve)))
    return new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
  }
  while (ended.length < COUNT) {
    await Promise.all(Array.from({ length: AT_ONCE }, open))
    // Connections are taken in the order of their coming: this one after those.
    await (await fetch(`${server.url}/healthz`, { headers: { connection: 'close' } })).text()
  }
  await Promise.all(ended)
  return answered
}

test.each([
  ['say nothing', ''],
  ['say half a request', 'GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n'],
])(
  '5,000 connections that were opened together and %s are answered and closed, and stop nobody',
  { timeout: 120_000 },
  async (_what, say) => {
    const answered: number[] = []
    const stops = await leastStop(neighbour, async () => answered.push(await openedTogether(say)))
    expect(answered).toEqual(answered.map(() => COUNT))
    expect(stops.failed).toBe(0)
    expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
  },
)
