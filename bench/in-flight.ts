import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request as send } from 'undici'
import { GENERATION, serveGateway } from './gateway.ts'
import { residentBytes, serve } from './processes.ts'
import type { Served } from './processes.ts'

const GENERATIONS = 10_000
const CONNECTIONS = 64

/** Memory and event-loop delay with many generations in flight at a vendor that is not done for minutes (BFL's submit and poll). */
export async function inFlight(): Promise<void> {
  const vendor = await serve('./servers/slow-vendor.ts')
  const gateway = await serveGateway(vendor.url, 'bfl')
  const dispatcher = new Agent({ connections: CONNECTIONS })
  try {
    await submit(gateway, dispatcher, 500)
    await sleep(2_000)
    const idle = residentBytes(gateway.pid)
    const startedAt = performance.now()
    await submit(gateway, dispatcher, GENERATIONS)
    console.log(`${GENERATIONS} accepted in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
    await sleep(12_000)
    const open = Number(await metric(gateway, dispatcher, 'imagegate_open_generations'))
    const delay = await metric(gateway, dispatcher, 'nodejs_eventloop_lag_p99_seconds')
    const each = (residentBytes(gateway.pid) - idle) / GENERATIONS
    console.log(`  open generations         ${open}`)
    console.log(`  memory beyond idle       ${(each / 1000).toFixed(1)} kB each (aim: at most 10)`)
    console.log(`  event-loop delay p99     ${(Number(delay) * 1000).toFixed(0)} ms (aim: under 50)`)
  } finally {
    await dispatcher.close()
    for (const server of [gateway, vendor]) server.stop()
  }
}

async function submit(gateway: Served, dispatcher: Agent, count: number): Promise<void> {
  let left = count
  const headers = { 'content-type': 'application/json', prefer: 'respond-async' }
  const worker = async () => {
    while (left-- > 0) {
      const reply = await send(`${gateway.url}/v1/generations`, { method: 'POST', dispatcher, headers, body: GENERATION })
      const text = await reply.body.text()
      if (reply.statusCode !== 202) throw new Error(`${reply.statusCode}: ${text.slice(0, 300)}`)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, worker))
}

async function metric(gateway: Served, dispatcher: Agent, name: string): Promise<string> {
  const reply = await send(`${gateway.url}/metrics`, { dispatcher })
  return new RegExp(`^${name} (\\S+)$`, 'm').exec(await reply.body.text())?.[1] ?? 'unknown'
}
