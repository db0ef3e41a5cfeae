import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ProviderState, Quote } from '#contract'
import { ask } from '../crash/nodes.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { startCluster } from '../support/cluster.ts'
import type { Cluster } from '../support/cluster.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'

const NODES = [0, 1, 2]
const COOL_DOWN_SECONDS = 2
const SECRETS = { many: 'secret-of-many-of-16', few: 'secret-of-few-of-16ch' }
const as = (name: keyof typeof SECRETS) => ({ authorization: `Bearer ${SECRETS[name]}` })
const KEYS = Object.entries(SECRETS).map(
  ([name, secret]) => `  - { name: ${name}, key_hash: ${createHash('sha256').update(secret).digest('hex')}, scope: admin }\n`,
)

describe.skipIf(POSTGRES_PROGRAMS === null)('three nodes share what they know of a provider:', { timeout: 60_000 }, () => {
  let vendors: Vendors
  let cluster: Cluster
  beforeAll(async () => {
    vendors = await startVendors({ providers: ['bfl', 'runware'], typicalMs: 60, maxInFlight: 3 })
    cluster = await startCluster(vendors, {
      more: `keys:\n${KEYS.join('')}breaker: { faults: 3, cool_down_seconds: ${COOL_DOWN_SECONDS} }\n`,
    })
  }, 60_000)
  afterAll(async () => {
    await cluster.remove()
    await vendors.close()
  })

  const buy = (index: number, model: string) => ask(cluster.node(index), model, { ...as('few'), prefer: 'wait=60' })
  const providers = async (index: number): Promise<readonly ProviderState[]> =>
    (
      (await (await fetch(`${cluster.node(index).url}/v1/providers`, { headers: as('few') })).json()) as {
        readonly data: readonly ProviderState[]
      }
    ).data
  const state = async (index: number, id: string): Promise<ProviderState> => {
    const found = (await providers(index)).find((provider) => provider.id === id)
    if (!found) throw new Error(`${id} is not listed`)
    return found
  }
  const breakers = async (): Promise<readonly string[]> => Promise.all(NODES.map(async (index) => (await state(index, 'bfl')).breaker))

  test('how long its tasks take, and how many succeed, wherever they ran', async () => {
    for (let count = 0; count < 6; count++) expect((await buy(count % 2, 'runware/flux-2-pro')).generation.status).toBe('succeeded')
    const quoted = async (index: number) => {
      const reply = await fetch(`${cluster.node(index).url}/v1/quotes`, {
        method: 'POST',
        headers: { ...as('few'), 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse' }),
      })
      const { offers, fastest } = (await reply.json()) as Quote
      return [offers.find(({ provider }) => provider === 'runware')?.latency_ms, fastest] as const
    }
    const seen = () => Promise.all(NODES.map((index) => quoted(index)))
    await expect.poll(async () => (await seen()).map(([latency]) => latency?.samples)).toEqual([6, 6, 6])
    const [first, ...others] = await seen()
    expect([first?.[1], others]).toEqual(['runware', [first, first]])
    expect(await Promise.all(NODES.map(async (index) => (await state(index, 'runware')).success_rate))).toEqual([1, 1, 1])
  })

  test('how many tasks it has, wherever they were bought', async () => {
    const front = vendors.front('runware')
    const held = Promise.withResolvers<void>()
    front.beforeReply = ({ purpose }) => (purpose === 'submit' ? held.promise : undefined)
    const bought = [0, 0, 1].map((index) => buy(index, 'runware/flux-2-pro'))
    const inFlight = () => Promise.all(NODES.map(async (index) => (await state(index, 'runware')).in_flight))
    await expect.poll(inFlight).toEqual([3, 3, 3])
    held.resolve()
    front.beforeReply = () => {}
    expect((await Promise.all(bought)).map(({ status }) => status)).toEqual([200, 200, 200])
    await expect.poll(inFlight).toEqual([0, 0, 0])
  })

  test('its slots in turns between gateway keys: one that floods a node keeps no other waiting at another', async () => {
    const front = vendors.front('runware')
    const submits = () => front.visits.flatMap(({ purpose, body }) => (purpose === 'submit' ? [body] : []))
    const before = submits().length
    const flood = Array.from({ length: 40 }, () => ask(cluster.node(0), 'runware/flux-2-pro', { ...as('many'), prefer: 'wait=60' }))
    await expect.poll(() => submits().length - before, { interval: 10, timeout: 10_000 }).toBeGreaterThan(4)
    const askedAt = submits().length
    const calm = await ask(cluster.node(1), 'runware/flux-2-pro', { ...as('few'), prefer: 'wait=60' }, { prompt: 'a calm lighthouse' })
    expect(calm.generation.status).toBe('succeeded')
    const passed = submits().findIndex((body) => body.includes('a calm lighthouse')) - askedAt
    expect((await Promise.all(flood)).filter(({ generation }) => generation.status !== 'succeeded')).toEqual([])
    expect(passed).toBeLessThan(10)
  })

  test('its breaker, which their faults open together, which one of them probes, and which a trial at any of them closes', async () => {
    const front = vendors.front('bfl')
    // A balance, which is kept for a minute, is read with the call of a probe.
    await breakers()
    front.treat = () => ({ kind: 'refuse' })
    const before = front.visits.length
    for (const index of NODES) await buy(index, 'bfl/flux-2-pro')
    await expect.poll(breakers, { timeout: 1_500 }).toEqual(['open', 'open', 'open'])
    const seen = await Promise.all(NODES.map((index) => state(index, 'bfl')))
    expect(new Set(seen.map((one) => one.failures_in_a_row))).toEqual(new Set([3]))
    const tries = seen.map((one) => Date.parse(one.next_try_at ?? ''))
    expect(Math.max(...tries) - Math.min(...tries)).toBeLessThan(500)
    // Nobody asks it now: what could take it is refused at once, wherever.
    const refused = await Promise.all(NODES.map((index) => buy(index, 'bfl/flux-2-pro')))
    expect(refused.map(({ status }) => status)).toEqual([503, 503, 503])

    const since = (purpose: string) => front.visits.slice(before).filter((visit) => visit.purpose === purpose).length
    await expect.poll(() => since('account')).toBe(1)
    // The probe that found it broken sends all of them into the next, longer cool-down.
    const longer = async () =>
      Math.min(...(await Promise.all(NODES.map((index) => state(index, 'bfl')))).map((one) => Date.parse(one.next_try_at ?? '')))
    await expect.poll(longer).toBeGreaterThan(Math.max(...tries) + COOL_DOWN_SECONDS * 1_000)
    expect(since('account')).toBe(1)

    front.treat = () => ({ kind: 'pass' })
    await expect.poll(breakers, { timeout: 8_000 }).toEqual(['half_open', 'half_open', 'half_open'])
    expect([since('account'), since('submit')]).toEqual([2, 3])
    await expect.poll(async () => (await buy(1, 'bfl/flux-2-pro')).status, { timeout: 10_000 }).toBe(200)
    await expect.poll(breakers, { timeout: 1_500 }).toEqual(['closed', 'closed', 'closed'])
  })
})
