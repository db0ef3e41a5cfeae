import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { startOddProcess } from './process.ts'
import type { OddProcess } from './process.ts'
import { startVendors } from './vendors.ts'
import type { Vendors } from './vendors.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const KEY = 'the-key-of-a-team'
const keys = `keys: [{ name: team, key_hash: ${createHash('sha256').update(KEY).digest('hex')}, rate: { per_minute: 3 } }]\n`
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

let vendors: Vendors
beforeAll(async () => {
  vendors = await startVendors({ providers: ['runware'], typicalMs: 20 })
})
afterAll(() => vendors.close())

const start = (folder: ReturnType<Vendors['folder']>, clockMs: number, environment = {}): Promise<OddProcess> =>
  startOddProcess({ ...folder.environment, ...environment }, dirname(folder.dataDirectory), { clockMs })

/** Sets the clock, and waits until the process has read it. */
async function setClock(server: OddProcess, clockMs: number): Promise<void> {
  server.change({ clockMs })
  await pause(100)
}

async function buy(server: OddProcess, body: object, headers: Readonly<Record<string, string>> = {}): Promise<Generation> {
  const reply = await fetch(`${server.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'runware/flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256, ...body }),
  })
  return (await reply.json()) as Generation
}

test('a key of idempotency holds for a day over a restart, also where the process began with a clock that was months behind', async () => {
  const folder = vendors.folder()
  const first = await start(folder, -90 * DAY_MS)
  await setClock(first, 0)
  const { id } = await buy(first, {}, { 'idempotency-key': 'months behind' })
  await first.kill('SIGKILL')
  const second = await start(folder, 0)
  expect((await buy(second, {}, { 'idempotency-key': 'months behind' })).id).toBe(id)
  await setClock(second, 25 * HOUR_MS)
  // What was only a jump is no day.
  expect((await buy(second, {}, { 'idempotency-key': 'months behind' })).id).toBe(id)
  await second.kill('SIGKILL')
  const third = await start(folder, 25 * HOUR_MS)
  expect((await buy(third, {}, { 'idempotency-key': 'months behind' })).id).not.toBe(id)
  expect(await third.kill('SIGTERM')).toBe('0')
  folder.remove()
})

/** An old key, used again, had all forgotten that was taken earlier by the clock, however lately that was. */
test('a key of idempotency holds for a day where the process began with a clock that was months behind, and an old key is used again', async () => {
  const folder = vendors.folder()
  const old = await start(folder, -3 * DAY_MS)
  const before = await buy(old, {}, { 'idempotency-key': 'three days old' })
  await old.kill('SIGTERM')
  const server = await start(folder, -90 * DAY_MS)
  const { id } = await buy(server, {}, { 'idempotency-key': 'of a moment ago' })
  await setClock(server, 0)
  expect((await buy(server, {}, { 'idempotency-key': 'three days old' })).id).not.toBe(before.id)
  expect((await buy(server, {}, { 'idempotency-key': 'of a moment ago' })).id).toBe(id)
  expect(await server.kill('SIGTERM')).toBe('0')
  folder.remove()
})

test('a task that a vendor works on is not given up because the clock is days ahead at the next start', async () => {
  const slow = await startVendors({ providers: ['bfl'], typicalMs: 6_000 })
  const folder = slow.folder()
  const first = await start(folder, 0)
  const { id } = await buy(first, { model: 'bfl/flux-2-pro' }, { prefer: 'wait=1' })
  await first.kill('SIGKILL')
  const second = await start(folder, 3 * DAY_MS)
  const read = async () => (await (await fetch(`${second.url}/v1/generations/${id}`)).json()) as Generation
  await expect.poll(async () => (await read()).status, { timeout: 20_000 }).not.toBe('running')
  expect(await read()).toMatchObject({ status: 'succeeded', cost: { basis: 'billed' } })
  expect(slow.submits('bfl')).toBe(1)
  expect(await second.kill('SIGTERM')).toBe('0')
  folder.remove()
  await slow.close()
}, 60_000)

test('an image whose server is away is fetched later, also where the clock is days ahead at the next start, by which its link is dead', async () => {
  const quick = await startVendors({ providers: ['bfl'], typicalMs: 20 })
  const [folder, front] = [quick.folder(), quick.front('bfl')]
  const asked = () => front.visits.filter(({ purpose }) => purpose === 'image').length
  front.treat = ({ purpose }) => ({ kind: purpose === 'image' ? 'refuse' : 'pass' })
  const first = await start(folder, 0)
  const { id } = await buy(first, { model: 'bfl/flux-2-pro' }, { prefer: 'respond-async' })
  await expect.poll(asked, { timeout: 20_000 }).toBeGreaterThan(1)
  await first.kill('SIGKILL')
  const second = await start(folder, 3 * DAY_MS)
  // Longer than a link is tried that its server calls dead.
  await pause(6_000)
  front.treat = () => ({ kind: 'pass' })
  const read = async () => (await (await fetch(`${second.url}/v1/generations/${id}`)).json()) as Generation
  await expect.poll(async () => (await read()).status, { timeout: 20_000 }).not.toBe('running')
  expect(await read()).toMatchObject({ status: 'succeeded', cost: { basis: 'billed' } })
  expect(quick.submits('bfl')).toBe(1)
  expect(await second.kill('SIGTERM')).toBe('0')
  folder.remove()
  await quick.close()
}, 60_000)

test('an image that is not kept is served while its link lives, also by a clock by which the link was dead when it came', async () => {
  const quick = await startVendors({ providers: ['bfl'], typicalMs: 20 })
  const [folder, front] = [quick.folder('assets: { keep: false }\n'), quick.front('bfl')]
  const server = await start(folder, DAY_MS)
  const { images } = await buy(server, { model: 'bfl/flux-2-pro' })
  expect(Date.parse(images[0]?.expires_at ?? '')).toBeLessThan(Date.now() + HOUR_MS)
  const own = `${server.url}/v1/images/${images[0]?.id}`
  expect((await fetch(own)).status).toBe(200)
  front.treat = () => ({ kind: 'refuse' })
  expect((await fetch(own)).status).toBe(503)
  expect(await server.kill('SIGTERM')).toBe('0')
  folder.remove()
  await quick.close()
}, 60_000)

/** What is to be done in an hour is done in half a second. */
const QUICK_HOURS = `const after = globalThis.setTimeout; globalThis.setTimeout = (call, ms, ...rest) => after(call, ms === ${HOUR_MS} ? 500 : ms, ...rest)`

test('an image of now stays, where the process began with a clock that was months ahead', async () => {
  const folder = vendors.folder('assets: { max_age_days: 30 }\n')
  const quick = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(QUICK_HOURS)}` }
  const server = await start(folder, 90 * DAY_MS, quick)
  await setClock(server, 0)
  const image = (await buy(server, {})).images[0]?.url ?? ''
  await pause(2_000)
  expect((await fetch(image)).status).toBe(200)
  expect(await server.kill('SIGTERM')).toBe('0')
  folder.remove()
})

test('a webhook that was planned by a clock that is set back over a restart is sent all the same', async () => {
  let isUp = false
  const got: string[] = []
  const receiver = createServer((request, response) => {
    got.push(String(request.headers['webhook-id']))
    response.writeHead(isUp ? 204 : 503).end()
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(receiver.address() as AddressInfo).port}`
  const folder = vendors.folder(`network: { allow: ["${host}"] }\n`)
  const first = await start(folder, 90 * DAY_MS)
  await buy(first, { webhook: { url: `http://${host}/` } })
  await expect.poll(() => got.length).toBeGreaterThan(0)
  await pause(200)
  await first.kill('SIGKILL')
  const before = got.length
  isUp = true
  const second = await start(folder, 0)
  await expect.poll(() => got.length, { timeout: 15_000 }).toBeGreaterThan(before)
  expect(await second.kill('SIGTERM')).toBe('0')
  receiver.close()
  folder.remove()
}, 60_000)

test('a caller beyond its rate is sent away for a minute at most, whatever the clock did', async () => {
  const folder = vendors.folder(keys)
  const server = await start(folder, 0)
  const ask = () => fetch(`${server.url}/v1/models`, { headers: { authorization: `Bearer ${KEY}` } })
  await ask()
  await setClock(server, -5 * HOUR_MS)
  for (let count = 0; count < 3; count++) await ask()
  const refused = await ask()
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60)
  expect(await server.kill('SIGTERM')).toBe('0')
  folder.remove()
})

test.each([2, -2])(
  'tasks over which the clock is set by %i days say nothing of how long a vendor takes: the next one is polled as soon as ever',
  async (days) => {
    const slow = await startVendors({ providers: ['bfl'], typicalMs: 2_000 })
    const folder = slow.folder()
    const server = await startOddProcess(folder.environment, dirname(folder.dataDirectory), { deadlineMs: 40_000 })
    const model = { model: 'bfl/flux-2-pro' }
    // So many that a provider is polled by what they took.
    const under = Array.from({ length: 9 }, () => buy(server, model))
    await pause(800)
    await setClock(server, days * DAY_MS)
    expect((await Promise.all(under)).map(({ status }) => status)).toEqual(under.map(() => 'succeeded'))
    const startedAt = performance.now()
    expect(await buy(server, model)).toMatchObject({ status: 'succeeded' })
    expect(performance.now() - startedAt).toBeLessThan(20_000)
    const quoted = await fetch(`${server.url}/v1/quotes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...model, prompt: 'a lighthouse', width: 256, height: 256 }),
    })
    const { offers } = (await quoted.json()) as { readonly offers: readonly { readonly latency_ms: { readonly p95: number } | null }[] }
    const p95 = offers[0]?.latency_ms?.p95 ?? 0
    expect([p95 >= 0, p95 < 20_000]).toEqual([true, true])
    expect(await server.kill('SIGTERM')).toBe('0')
    folder.remove()
    await slow.close()
  },
  120_000,
)
