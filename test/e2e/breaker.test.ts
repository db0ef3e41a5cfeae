import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Generation, Problem, ProviderState } from '#contract'
import { startGateway } from '../../src/gateway/start.ts'
import type { Server } from '../../src/gateway/start.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import type { Visit } from '../support/vendor-front.ts'
import { FIXTURE_PROVIDERS } from './gateway.ts'

const COOL_DOWN_SECONDS = 0.5
let vendors: Vendors
let server: Server
let removeFolder: () => void

beforeEach(async () => {
  vendors = await startVendors({ providers: ['bfl', 'runware', 'vtrix'], typicalMs: 20 })
  const folder = vendors.folder(`breaker: { faults: 2, cool_down_seconds: ${COOL_DOWN_SECONDS} }\n`)
  removeFolder = folder.remove
  server = await startGateway({ env: folder.environment, overrides: { port: 0, quiet: true, providers: FIXTURE_PROVIDERS } })
})
afterEach(async () => {
  // The vendors first: a gateway that leaves gives calls under way time to be answered.
  await vendors.close()
  await server.close()
  removeFolder()
})

const post = (body: object) =>
  fetch(`${server.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256, ...body }),
  })
const generate = async (body: object): Promise<Generation> => (await (await post(body)).json()) as Generation
const providerState = async (id: string): Promise<ProviderState | undefined> => {
  const { data } = (await (await fetch(`${server.url}/v1/providers`)).json()) as { readonly data: readonly ProviderState[] }
  return data.find((provider) => provider.id === id)
}
const refusePaid = (visit: Visit) => (visit.purpose === 'submit' ? { kind: 'refuse' as const } : { kind: 'pass' as const })
const submitsHeard = (provider: string) => vendors.front(provider).visits.filter(({ purpose }) => purpose === 'submit').length

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20))
}

describe('a provider that fails again and again', () => {
  test('is left out while others serve, then probed for nothing, tried with one request and taken back', async () => {
    const front = vendors.front('vtrix')
    // The probe as well, so that the breaker stays open for as long as this takes.
    front.treat = (visit) => (visit.purpose === 'account' ? { kind: 'refuse' } : refusePaid(visit))
    const provider = { order: ['vtrix', 'runware'] }
    for (let i = 0; i < 2; i++)
      expect((await generate({ provider })).attempts.map((attempt) => attempt.provider)).toEqual(['vtrix', 'runware'])
    const opened = await providerState('vtrix')
    expect(opened).toMatchObject({ state: 'enabled', breaker: 'open', failures_in_a_row: 2 })
    const waitsMs = Date.parse(opened?.next_try_at ?? '') - Date.now()
    expect(waitsMs).toBeLessThanOrEqual(COOL_DOWN_SECONDS * 1000)
    expect(waitsMs).toBeGreaterThan(-1000)
    expect(await (await fetch(`${server.url}/metrics`)).text()).toContain('imagegate_provider_breaker{provider="vtrix",state="open"} 1')

    const spared = await generate({ provider })
    expect(spared).toMatchObject({ status: 'succeeded', provider: 'runware', attempts: [{ provider: 'runware' }] })
    expect(spared.routing.considered.find((row) => row.provider === 'vtrix')?.reasons).toEqual([
      expect.stringMatching(/^breaker open( until 20|: it is being probed)/),
    ])
    expect(submitsHeard('vtrix')).toBe(2)

    front.treat = () => ({ kind: 'pass' })
    await until(async () => (await providerState('vtrix'))?.breaker === 'half_open')
    expect(submitsHeard('vtrix')).toBe(2)
    expect(await generate({ provider })).toMatchObject({ status: 'succeeded', provider: 'vtrix' })
    expect(await providerState('vtrix')).toMatchObject({ breaker: 'closed', failures_in_a_row: 0, next_try_at: null })
  })

  test('is refused with 503 and the time to come back where there is nobody else; nothing is bought', async () => {
    vendors.front('bfl').treat = refusePaid
    for (let i = 0; i < 2; i++) {
      const generation = await generate({ model: 'bfl/flux-2-pro' })
      expect(generation.error).toMatchObject({ code: 'provider_unavailable', billed: false })
      if ((await providerState('bfl'))?.breaker === 'open') break
    }
    const heard = submitsHeard('bfl')
    const reply = await post({ model: 'bfl/flux-2-pro' })
    expect(reply.status).toBe(503)
    expect(Number(reply.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect((await reply.json()) as Problem).toMatchObject({
      code: 'provider_unavailable',
      errors: expect.arrayContaining([{ path: 'bfl', message: expect.stringMatching(/^breaker open/) }]),
    })
    expect(submitsHeard('bfl')).toBe(heard)
    // What the request itself rules out is not a matter of waiting.
    expect((await post({ model: 'bfl/flux-2-pro', provider: { ignore: ['bfl'] } })).status).toBe(422)
  })

  test('whose front does not answer the free call either stays left out', async () => {
    vendors.front('bfl').treat = () => ({ kind: 'refuse' })
    const provider = { order: ['bfl', 'runware'] }
    for (let i = 0; i < 2; i++) await generate({ provider })
    const probes = () => vendors.front('bfl').visits.filter(({ purpose }) => purpose === 'account').length
    const before = probes()
    await until(async () => probes() > before)
    expect(await providerState('bfl')).toMatchObject({ breaker: 'open' })
    expect(await generate({ provider })).toMatchObject({ provider: 'runware', attempts: [{ provider: 'runware' }] })
  })
})

test('polls and downloads that fail open no breaker: what was bought is delivered, and the next task goes there too', async () => {
  const front = vendors.front('bfl')
  const troubles = { poll: 4, image: 4 }
  front.treat = ({ purpose }) => {
    if (purpose !== 'poll' && purpose !== 'image') return { kind: 'pass' }
    troubles[purpose]--
    return troubles[purpose] < 0 ? { kind: 'pass' } : { kind: purpose === 'poll' ? 'refuse' : 'garbage' }
  }
  const ended = await Promise.all([1, 2, 3].map((seed) => generate({ model: 'bfl/flux-2-pro', seed })))
  expect(ended.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded'])
  expect([troubles.poll < 0, troubles.image < 0]).toEqual([true, true])
  expect(await providerState('bfl')).toMatchObject({ breaker: 'closed' })
  expect(await generate({ provider: { order: ['bfl'] } })).toMatchObject({ provider: 'bfl' })
})

test('a hung vendor holds up none of the others', { timeout: 60_000 }, async () => {
  vendors.front('bfl').treat = () => ({ kind: 'hang' })
  const hung = await Promise.all(
    Array.from({ length: 30 }, async () => {
      const reply = await fetch(`${server.url}/v1/generations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', prefer: 'respond-async' },
        body: JSON.stringify({ model: 'bfl/flux-2-pro', prompt: 'a lighthouse' }),
      })
      return (await reply.json()) as Generation
    }),
  )
  // As many as the vendor takes at once are in flight, the rest wait for a slot there, and nowhere else.
  expect(await providerState('bfl')).toMatchObject({ in_flight: 24, waiting: 6 })
  const others = await Promise.all(Array.from({ length: 20 }, () => generate({ model: 'runware/flux-2-pro' })))
  expect(others.map(({ status }) => status)).toEqual(Array(20).fill('succeeded'))
  expect(await providerState('bfl')).toMatchObject({ in_flight: 24, waiting: 6 })
  await Promise.all(hung.map(({ id }) => fetch(`${server.url}/v1/generations/${id}/cancel`, { method: 'POST' })))
})
