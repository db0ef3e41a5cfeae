import { useRealSockets } from '../transport/real-sockets.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { leastStop, LONGEST_STOP_MS, startNeighbour } from '../support/neighbour.ts'
import type { Neighbour } from '../support/neighbour.ts'
import { residentBytes } from '../support/resident-bytes.ts'

useRealSockets()

let server: ServerProcess
let neighbour: Neighbour
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-slow-'))
  server = await startProcess({ IMAGEGATE_DATA: join(folder, 'data') })
  neighbour = await startNeighbour(server)
})
const open: Socket[] = []
afterAll(async () => {
  open.forEach((socket) => socket.destroy())
  neighbour.end()
  await server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** A connection that says this and never reads an answer. */
function silent(say: string): void {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  socket.pause().write(say)
  open.push(socket)
}

async function generate(prompt: string, prefer: string, side = 256): Promise<{ readonly generation: Generation; readonly ms: number }> {
  const startedAt = performance.now()
  const reply = await fetch(`${server.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer },
    body: JSON.stringify({ model: 'flux-2-pro', prompt, width: side, height: side }),
  })
  return { generation: (await reply.json()) as Generation, ms: performance.now() - startedAt }
}

test(
  '1,000 idle sockets, 200 readers of events and 50 of images that read nothing leave others served, in bounded memory',
  { timeout: 90_000 },
  async () => {
    const { generation } = await generate('a large lighthouse', 'wait=60', 1_440)
    const { ms: calmMs } = await generate('a lighthouse', 'wait=60')
    expect(generation.status).toBe('succeeded')
    const path = new URL(generation.images[0]?.url ?? '').pathname
    const { generation: pending } = await generate('sandbox:never', 'respond-async')
    const before = residentBytes(server.pid)
    const get = (where: string): string => `GET ${where} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`
    const stops = await leastStop(neighbour, async () => {
      open.splice(0).forEach((socket) => socket.destroy())
      for (let index = 0; index < 1_000; index += 1) {
        silent('')
        if (index < 200) silent(get(`/v1/generations/${pending.id}/events`))
        // Asked for again and again on one connection, and never taken.
        if (index < 50) silent(get(path).repeat(20))
        if (index % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })
    // The sandbox draws in the gateway's own process, which would be measured as a stop.
    const { generation: another, ms: busyMs } = await generate('another lighthouse', 'wait=60')
    expect(another.status).toBe('succeeded')
    const grownMiB = (residentBytes(server.pid) - before) / 1_048_576
    console.log(
      `1,250 connections: longest stop ${stops.longestMs.toFixed(0)} ms, ${grownMiB.toFixed(0)} MiB more, a generation in ${busyMs.toFixed(0)} ms (calm ${calmMs.toFixed(0)})`,
    )
    expect(stops.failed).toBe(0)
    expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
    expect(busyMs).toBeLessThan(calmMs + 5_000)
    expect(grownMiB).toBeLessThan(150)
  },
)
