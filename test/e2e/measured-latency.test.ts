import { expect, onTestFinished, test } from 'vitest'
import type { Generation, Model, Quote } from '#contract'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { FIXTURE_PROVIDERS } from './gateway.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const REQUEST = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }

const ask = async <T>(server: ServerProcess, path: string, body?: object, prefer = 'wait=60'): Promise<T> => {
  const headers = { 'content-type': 'application/json', prefer }
  const reply = await fetch(`${server.url}${path}`, { headers, ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}) })
  return (await reply.json()) as T
}

test(
  'a latency does not count the time the process was down, and the fastest is named from five measured tasks on',
  { timeout: 60_000 },
  async () => {
    const vendors = await startVendors({ providers: ['bfl'], typicalMs: 30 })
    onTestFinished(vendors.close)
    const { environment, remove } = vendors.folder()
    onTestFinished(remove)
    const start = async (): Promise<ServerProcess> => {
      const server = await startOverridden(environment, { providers: FIXTURE_PROVIDERS })
      onTestFinished(async () => void (await server.kill('SIGKILL')))
      return server
    }

    const first = await start()
    for (let count = 0; count < 4; count++)
      expect(await ask<Generation>(first, '/v1/generations', REQUEST)).toMatchObject({ status: 'succeeded' })
    const front = vendors.front('bfl')
    front.treat = ({ purpose }) => ({ kind: purpose === 'poll' ? 'refuse' : 'pass' })
    const { id } = await ask<Generation>(first, '/v1/generations', REQUEST, 'respond-async')
    await expect.poll(() => front.visits.at(-1)?.purpose, { timeout: 10_000 }).toBe('poll')
    await first.kill('SIGTERM')
    const stoppedAt = Date.now()
    await new Promise((resolve) => setTimeout(resolve, 500))
    front.treat = () => ({ kind: 'pass' })

    const second = await start()
    const downMs = second.listensAt - stoppedAt
    const open = await ask<Generation>(second, `/v1/generations/${id}`)
    expect(open.status).toBe('succeeded')
    expect(open.timing.provider_ms, 'the caller did wait that long').toBeGreaterThan(downMs)
    const quoted = await ask<Quote>(second, '/v1/quotes', REQUEST)
    const latency = quoted.offers.find(({ provider }) => provider === 'bfl')?.latency_ms
    expect([quoted.fastest, latency?.samples]).toEqual([null, 4])
    expect(latency?.p95).toBeLessThan(downMs)

    const fifth = await ask<Generation>(second, '/v1/generations', REQUEST)
    expect(fifth.routing.considered[0]).toMatchObject({ provider: 'bfl', latency_ms: latency?.p50, latency_samples: 4 })
    expect(await ask<Quote>(second, '/v1/quotes', REQUEST)).toMatchObject({
      fastest: 'bfl',
      offers: [{ latency_ms: { samples: 5 } }, {}, {}],
    })
    const { offers } = await ask<Model>(second, '/v1/models/flux-2-pro')
    expect(offers[0]?.latency_ms).toMatchObject({ samples: 5 })
  },
)
