import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Generation, ProviderState } from '#contract'
import { StartRefused, startGateway } from '../../src/gateway/start.ts'
import type { Server } from '../../src/gateway/start.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { FIXTURE_PROVIDERS, launchGateway } from './gateway.ts'

/** Written as IPv4 inside IPv6, which matches no address. */
const BAD_NETWORK = '::ffff:a00:0/104'

let vendors: Vendors
let server: Server
let configPath: string
const closers: (() => Promise<unknown> | void)[] = []

beforeEach(async () => {
  // Longer than a reload takes on a busy machine: a task begun before it ends after it.
  vendors = await startVendors({ providers: ['bfl', 'runware', 'vtrix'], typicalMs: 1_500 })
  closers.push(() => vendors.close())
})
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function start(more: string): Promise<void> {
  const folder = vendors.folder(more)
  closers.push(folder.remove)
  configPath = folder.environment['IMAGEGATE_CONFIG'] ?? ''
  server = await startGateway({ env: folder.environment, overrides: { port: 0, quiet: true, providers: FIXTURE_PROVIDERS } })
  closers.push(() => server.close())
}

/** Changes the configuration as an operator does: the file, then SIGHUP. */
async function edit(change: (yaml: string) => string): Promise<void> {
  writeFileSync(configPath, change(readFileSync(configPath, 'utf8')))
  await server.reload()
}

const withoutBlockOf = (provider: string) => (yaml: string) =>
  yaml
    .split('\n')
    .filter((line) => !line.startsWith(`  ${provider}:`))
    .join('\n')

async function generate(model: string, more: object = {}, prefer = 'respond-async'): Promise<Generation> {
  const reply = await fetch(`${server.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer },
    body: JSON.stringify({ model, prompt: 'a lighthouse', width: 256, height: 256, ...more }),
  })
  return (await reply.json()) as Generation
}
const ended = async ({ id }: Generation): Promise<Generation> =>
  (await (await fetch(`${server.url}/v1/generations/${id}`, { headers: { prefer: 'wait=60' } })).json()) as Generation
const provider = async (id: string): Promise<ProviderState | undefined> => {
  const { data } = (await (await fetch(`${server.url}/v1/providers`)).json()) as { readonly data: readonly ProviderState[] }
  return data.find((state) => state.id === id)
}
const visits = (id: string, purpose: string) => vendors.front(id).visits.filter((visit) => visit.purpose === purpose).length

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endsAt = performance.now() + 15_000
  while (performance.now() < endsAt) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`never: ${what}`)
}

describe('an open task', { timeout: 30_000 }, () => {
  test.each(['bfl', 'vtrix'])('at %s ends with the settings it began with when the provider’s block is removed', async (id) => {
    await start('')
    const open = await generate(`${id}/flux-2-pro`)
    await until(() => visits(id, 'submit') === 1, 'the submit')
    const pollsBefore = visits(id, 'poll')
    await edit(withoutBlockOf(id))
    expect(await provider(id)).toMatchObject({ state: 'disabled' })
    expect(await ended(open)).toMatchObject({ status: 'succeeded', provider: id, cost: { amount: expect.any(String) } })
    expect(visits(id, 'poll')).toBeGreaterThan(pollsBefore)
    expect(visits(id, 'submit')).toBe(1)
    const after = await generate(`${id}/flux-2-pro`)
    expect(after).toMatchObject({ status: 422, code: 'no_eligible_offer' })
  })

  test('is polled where it was bought when the base URL moves; the next one goes to the new address', async () => {
    await start('')
    const open = await generate('bfl/flux-2-pro')
    await until(() => visits('bfl', 'submit') === 1, 'the submit')
    const elsewhere = await startVendors({ providers: ['bfl'], typicalMs: 20 })
    closers.push(() => elsewhere.close())
    const pollsBefore = visits('bfl', 'poll')
    await edit((yaml) => yaml.replace(vendors.front('bfl').url, elsewhere.front('bfl').url))
    expect((await generate('bfl/flux-2-pro', {}, 'wait=60')).status).toBe('succeeded')
    expect(await ended(open)).toMatchObject({ status: 'succeeded', provider: 'bfl' })
    expect([visits('bfl', 'submit'), elsewhere.submits('bfl')]).toEqual([1, 1])
    expect(visits('bfl', 'poll')).toBeGreaterThan(pollsBefore)
  })
})

describe('a provider that is switched off', { timeout: 30_000 }, () => {
  test('gets no more tasks: what is bought there ends there, what waits for it goes to the next route or says why not', async () => {
    await start('routing: { slot_wait_ms: 60000 }\n')
    await edit((yaml) => yaml.replace('bfl: {', 'bfl: { max_in_flight: 1,'))
    const bought = await generate('bfl/flux-2-pro')
    await until(() => visits('bfl', 'submit') === 1, 'the submit')
    const pinned = await generate('bfl/flux-2-pro')
    const free = await generate('flux-2-pro', { provider: { order: ['bfl', 'vtrix'] } })
    await until(async () => (await provider('bfl'))?.waiting === 2, 'two wait for a slot')
    await edit((yaml) => yaml.replace('bfl: {', 'bfl: { enabled: false,'))
    expect(await ended(free)).toMatchObject({ status: 'succeeded', provider: 'vtrix' })
    expect(await ended(pinned)).toMatchObject({
      status: 'failed',
      error: { billed: false, message: expect.stringContaining('switched off') },
    })
    expect(await ended(bought)).toMatchObject({ status: 'succeeded', provider: 'bfl' })
    expect(visits('bfl', 'submit')).toBe(1)
  })
})

describe('a changed limit', { timeout: 30_000 }, () => {
  test('acts at once: tasks that wait for a slot are submitted without any other ending', async () => {
    await start('')
    await edit((yaml) => yaml.replace('base_url: "', 'max_in_flight: 1, base_url: "'))
    await Promise.all(Array.from({ length: 4 }, () => generate('bfl/flux-2-pro')))
    await until(async () => (await provider('bfl'))?.waiting === 3, 'three wait for a slot')
    vendors.front('bfl').treat = ({ purpose }) => (purpose === 'poll' ? { kind: 'slow', ms: 3_000 } : { kind: 'pass' })
    await edit((yaml) => yaml.replace('max_in_flight: 1', 'max_in_flight: 4'))
    await until(() => visits('bfl', 'submit') === 4, 'all four submitted')
  })
})

describe('a configuration that cannot be built', () => {
  test('is refused at start in words', async () => {
    const refused: unknown = await launchGateway({ config: `network: { allow: ["${BAD_NETWORK}"] }` }).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(StartRefused)
    expect(String(refused)).toMatch(/:1:20: network\.allow\.0: is neither a network nor a service/)
  })

  test('is refused at a reload, and nothing of it is in force', async () => {
    await start('models: { mine: { model: flux-2-pro } }\n')
    await edit((yaml) => `${yaml.replace('mine', 'yours')}network: { allow: ["${BAD_NETWORK}"] }\n`)
    const status = async (model: string) => (await fetch(`${server.url}/v1/models/${model}`)).status
    expect([await status('mine'), await status('yours')]).toEqual([200, 404])
    await edit((yaml) => yaml.replace(BAD_NETWORK, '10.0.0.0/8'))
    expect([await status('mine'), await status('yours')]).toEqual([404, 200])
  })
})

describe('an open breaker', { timeout: 30_000 }, () => {
  test('sends what waits for a slot elsewhere: none of it is bought at the provider that fails', async () => {
    await start('breaker: { faults: 2, cool_down_seconds: 600 }\nrouting: { slot_wait_ms: 60000 }\n')
    await edit((yaml) => yaml.replace('vtrix: {', 'vtrix: { max_in_flight: 2,'))
    // The submit arrives, and its reply is lost.
    vendors.front('vtrix').treat = ({ purpose }) => (purpose === 'submit' ? { kind: 'reset' } : { kind: 'pass' })
    const accepted = await Promise.all(
      Array.from({ length: 10 }, () => generate('flux-2-pro', { provider: { order: ['vtrix', 'runware'] } })),
    )
    const all = await Promise.all(accepted.map((one) => ended(one)))
    // A slot that the first loss frees may be taken before the second opens the breaker.
    expect(visits('vtrix', 'submit')).toBeLessThanOrEqual(3)
    const unknown = all.filter(({ error }) => error?.code === 'outcome_unknown')
    expect(unknown).toHaveLength(visits('vtrix', 'submit'))
    expect(all.filter(({ status, provider: at }) => status === 'succeeded' && at === 'runware')).toHaveLength(10 - unknown.length)
  })

  test('stays open when the file is rewritten or another provider changes, and closes when its own provider does', async () => {
    await start('breaker: { faults: 1, cool_down_seconds: 600 }\n')
    vendors.front('bfl').treat = ({ purpose }) => (purpose === 'submit' ? { kind: 'refuse' } : { kind: 'pass' })
    await generate('bfl/flux-2-pro', {}, 'wait=60')
    const breaker = async () => (await provider('bfl'))?.breaker
    expect(await breaker()).toBe('open')
    await edit((yaml) => `# rewritten\n${yaml}`)
    expect(await breaker()).toBe('open')
    await edit(withoutBlockOf('vtrix'))
    expect(await breaker()).toBe('open')
    await edit((yaml) => yaml.replace('bfl: {', 'bfl: { max_in_flight: 3,'))
    expect(await breaker()).toBe('open')
    await edit((yaml) => yaml.replace(vendors.front('bfl').url, `${vendors.front('bfl').url}/moved`))
    expect(await breaker()).toBe('closed')
  })
})
