import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request as send } from 'undici'
import { GENERATION, serveGateway } from './gateway.ts'
import { serve } from './processes.ts'
import { heldBytes, metrics } from './in-flight.ts'

const STREAMS = 1_000
const CONNECTIONS = 64
const OPEN_FOR_MS = 8_000

/** A thousand callers that follow a generation each: what a stream holds, how late the event loop is meanwhile, and whether each hears its end. */
export async function eventStreams(): Promise<void> {
  const vendor = await serve('./servers/slow-vendor.ts')
  const gateway = await serveGateway(vendor.url, 'bfl', { script: 'bench/servers/gateway-with-gc.ts' })
  const dispatcher = new Agent({ connections: CONNECTIONS })
  const streams = new Agent({ connections: STREAMS, pipelining: 1, bodyTimeout: 0 })
  const ask = (path: string, method: 'GET' | 'POST', body?: string) => {
    const headers = { 'content-type': 'application/json', prefer: 'respond-async' }
    return send(`${gateway.url}${path}`, { method, dispatcher, headers, ...(body === undefined ? {} : { body }) })
  }
  try {
    const ids = await Promise.all(
      Array.from({ length: STREAMS }, async () => {
        const reply = await ask('/v1/generations', 'POST', GENERATION)
        return ((await reply.body.json()) as { readonly id: string }).id
      }),
    )
    await sleep(2_000)
    const held = await heldBytes(gateway, dispatcher)
    await metrics(gateway, dispatcher)
    const ends = await Promise.all(
      ids.map(async (id) => {
        const { statusCode, body } = await send(`${gateway.url}/v1/generations/${id}/events`, { dispatcher: streams })
        if (statusCode !== 200) throw new Error(`${statusCode}: ${await body.text()}`)
        // Not awaited here: it ends with the generation.
        return { whole: body.text() }
      }),
    )
    await sleep(OPEN_FOR_MS)
    const { delaySeconds } = await metrics(gateway, dispatcher)
    const heldEach = ((await heldBytes(gateway, dispatcher)) - held) / STREAMS
    const canceledAt = performance.now()
    await Promise.all(ids.map(async (id) => (await ask(`/v1/generations/${id}/cancel`, 'POST')).body.dump()))
    const texts = await Promise.all(ends.map(({ whole }) => whole))
    const lastAfterMs = performance.now() - canceledAt
    console.log(`${STREAMS} event streams open for ${OPEN_FOR_MS / 1000} s`)
    console.log(`  memory held beyond that without them  ${(heldEach / 1000).toFixed(1)} kB each after a full collection`)
    console.log(`  event-loop delay p99                  ${(delaySeconds * 1000).toFixed(0)} ms (aim: under 20)`)
    console.log(`  heard that theirs was canceled        ${texts.filter((text) => text.includes('event: canceled')).length}`)
    console.log(`  the last of them after                ${lastAfterMs.toFixed(0)} ms, with the time of 1,000 cancels`)
  } finally {
    await Promise.all([dispatcher.destroy(), streams.destroy()])
    for (const server of [gateway, vendor]) server.stop()
  }
}
