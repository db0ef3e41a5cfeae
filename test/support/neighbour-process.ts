import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import type { Stops } from './neighbour.ts'

/** A neighbour of a hostile caller: asks `/healthz` over and over, and reports the answers that were longest in coming. */
const [url = '', gatewayPid = ''] = process.argv.slice(2)
const ASK_EVERY_MS = 4
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

/** Nanoseconds a process's main thread was ready to run and another one had the core; 0 where the kernel does not say. */
function waitedForACore(pid: string | number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1])
  } catch {
    return 0
  }
}

const contention = (): number => (waitedForACore(process.pid) + (gatewayPid === '' ? 0 : waitedForACore(gatewayPid))) / 1e6

function ask(): Promise<void> {
  return new Promise((resolve, reject) => {
    request(`${url}/healthz`, { agent }, (answer) => {
      answer.resume().once('end', () => {
        if (answer.statusCode === 200) resolve()
        else reject(new Error(`/healthz answered ${answer.statusCode}`))
      })
    })
      .once('error', reject)
      .end()
  })
}

const nothingYet = (): { longestMs: number; longestWallMs: number; asked: number; failed: number } => ({
  longestMs: 0,
  longestWallMs: 0,
  asked: 0,
  failed: 0,
})
const state = { isWanted: false, stops: nothingYet() }

async function watch(): Promise<void> {
  state.stops = nothingYet()
  const { stops } = state
  while (state.isWanted) {
    const waitedBefore = contention()
    const startedAt = performance.now()
    await ask().catch(() => {
      stops.failed += 1
    })
    const wallMs = performance.now() - startedAt
    stops.asked += 1
    stops.longestWallMs = Math.max(stops.longestWallMs, wallMs)
    stops.longestMs = Math.max(stops.longestMs, wallMs - (contention() - waitedBefore))
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS))
  }
  process.send?.(stops satisfies Stops)
}

process.on('message', (word) => {
  state.isWanted = word === 'begin'
  if (state.isWanted) void watch()
})
process.on('disconnect', () => process.exit())

// The first answers pay for a connection and for code that never ran.
for (let warm = 0; warm < 20; warm += 1) await ask()
process.send?.('ready')
