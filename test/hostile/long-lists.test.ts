import { useRealSockets } from '../transport/real-sockets.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { leastStop, LONGEST_STOP_MS, startNeighbour } from '../support/neighbour.ts'
import type { Neighbour } from '../support/neighbour.ts'

useRealSockets()

const COMPARISONS = 12
/** As long as one may be, of letters with four bytes each. */
const PROMPT = '\u{1f5fc}'.repeat(31_000)
const folder = mkdtempSync(join(tmpdir(), 'imagegate-long-lists-'))

let gateway: ServerProcess
let neighbour: Neighbour

const post = (path: string, body: object): Promise<Response> =>
  fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

beforeAll(async () => {
  gateway = await startProcess({ IMAGEGATE_DATA: join(folder, 'data') })
  neighbour = await startNeighbour(gateway)
  const bought = Array.from({ length: COMPARISONS }, () =>
    post('/v1/comparisons', { model: 'flux-2-pro', prompt: PROMPT, width: 256, height: 256 }),
  )
  for (const reply of await Promise.all(bought)) expect((await reply.text()).length).toBeGreaterThan(PROMPT.length)
}, 120_000)
afterAll(async () => {
  neighbour.end()
  await gateway.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

test.each(['comparisons', 'generations'])(
  'a list of %s that have long prompts stops nobody for 50 ms',
  { timeout: 60_000 },
  async (kind) => {
    let answer = ''
    const stops = await leastStop(neighbour, async () => {
      answer = await fetch(`${gateway.url}/v1/${kind}?limit=100`).then((reply) => reply.text())
    })
    const { data } = JSON.parse(answer) as { readonly data: readonly { readonly request: { readonly prompt: string } }[] }
    console.log(`${answer.length} letters: longest stop ${stops.longestMs.toFixed(0)} ms (${stops.longestWallMs.toFixed(0)} on the wall)`)
    expect(data.length).toBeGreaterThanOrEqual(COMPARISONS)
    expect(new Set(data.map(({ request }) => request.prompt))).toEqual(new Set([PROMPT]))
    expect(stops.failed).toBe(0)
    expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
  },
)
