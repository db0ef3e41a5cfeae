import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request as send } from 'undici'
import { GENERATION, serveGateway, THIS_CHECKOUT } from './gateway.ts'
import { cpuMicroseconds, residentBytes, serve } from './processes.ts'
import type { Served } from './processes.ts'

const GENERATIONS = 10_000
/** After which V8 has compiled what these take: its code counts for no generation then. A full collection throws code away, so none comes before the CPU is counted. */
const WARM_UP = 3_000
/** More of them, between two full collections. */
const MOST_HELD = 3_000
const CONNECTIONS = 64

export interface InFlight {
  readonly acceptedInSeconds: number
  /** CPU of the server process for each generation accepted and submitted. */
  readonly acceptedCpuMicroseconds: number
  readonly open: number
  readonly heldBytesEach: number
  readonly residentBytesEach: number
  readonly delayMs: number
  /** Of a process beside it that does nothing: 10 ms are those of the timer that measures, the rest is other work on the machine. */
  readonly idleDelayMs: number
}

/** Memory and event-loop delay of a gateway with `count` generations in flight at a vendor that is not done for minutes (BFL's submit and poll). */
export async function measureInFlight(checkout: string, count: number, pollForMs: number): Promise<InFlight> {
  const vendor = await serve('./servers/slow-vendor.ts')
  const idler = await serve('./servers/idle.ts')
  const gateway = await serveGateway(vendor.url, 'bfl', { checkout, script: 'bench/servers/gateway-with-gc.ts' })
  const dispatcher = new Agent({ connections: CONNECTIONS })
  try {
    await submit(gateway, dispatcher, WARM_UP)
    await sleep(2_000)
    const idle = residentBytes(gateway.pid)
    const startedAt = performance.now()
    const cpu = cpuMicroseconds(gateway.pid)
    await submit(gateway, dispatcher, count)
    const acceptedInSeconds = (performance.now() - startedAt) / 1000
    const acceptedCpuMicroseconds = (cpuMicroseconds(gateway.pid) - cpu) / count
    await sleep(pollForMs)
    const { open, delaySeconds } = await metrics(gateway, dispatcher)
    const residentBytesEach = (residentBytes(gateway.pid) - idle) / count
    const heldBytesEach = await heldByEach(gateway, dispatcher, Math.min(count, MOST_HELD))
    const idleDelayMs = Number(await (await send(idler.url, { dispatcher })).body.text())
    const delayMs = delaySeconds * 1000
    return { acceptedInSeconds, acceptedCpuMicroseconds, open, heldBytesEach, residentBytesEach, delayMs, idleDelayMs }
  } finally {
    await dispatcher.close()
    for (const server of [gateway, vendor, idler]) server.stop()
  }
}

export async function inFlight(): Promise<void> {
  const seen = await measureInFlight(THIS_CHECKOUT, GENERATIONS, 12_000)
  console.log(`${GENERATIONS} accepted in ${seen.acceptedInSeconds.toFixed(1)} s`)
  console.log(`  open generations         ${seen.open}`)
  console.log(`  memory held beyond idle  ${(seen.heldBytesEach / 1000).toFixed(1)} kB each after a full collection (aim: at most 10)`)
  console.log(
    `  resident beyond idle     ${(seen.residentBytesEach / 1000).toFixed(1)} kB each before it, garbage and database cache included`,
  )
  console.log(`  event-loop delay p99     ${seen.delayMs.toFixed(0)} ms (aim: under 20)`)
  console.log(`    of an idle process     ${seen.idleDelayMs.toFixed(0)} ms, of which 10 are the timer that measures`)
}

async function heldByEach(gateway: Served, dispatcher: Agent, count: number): Promise<number> {
  const before = await heldBytes(gateway, dispatcher)
  await submit(gateway, dispatcher, count)
  return ((await heldBytes(gateway, dispatcher)) - before) / count
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

export async function heldBytes(gateway: Served, dispatcher: Agent): Promise<number> {
  const address = /(http:\S+)\/held/.exec(gateway.printed())?.[1] ?? ''
  return Number(await (await send(`${address}/held`, { dispatcher })).body.text())
}

/** One scrape: the delay is counted from the scrape before. */
export async function metrics(gateway: Served, dispatcher: Agent): Promise<{ open: number; delaySeconds: number }> {
  const text = await (await send(`${gateway.url}/metrics`, { dispatcher })).body.text()
  const read = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
  return { open: read('imagegate_open_generations'), delaySeconds: read('nodejs_eventloop_lag_p99_seconds') }
}
