import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { readBooks } from './books.ts'
import { startOddProcess, startProcess } from './process.ts'
import type { ServerProcess } from './process.ts'
import { startVendors } from './vendors.ts'
import type { Vendors } from './vendors.ts'

/** Slow enough that something can happen while a task runs. */
const TYPICAL_MS = 2_500
const HOUR_MS = 3_600_000
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

let vendors: Vendors
/** Serves the reference image; `answer` decides how. */
const references = { visits: 0, answer: (response: ServerResponse, image: Buffer) => void response.end(image) }
let image: Buffer
const referenceServer = createServer((_request, response) => {
  references.visits++
  references.answer(response, image)
})
const referenceHost = () => `127.0.0.1:${(referenceServer.address() as AddressInfo).port}`

beforeAll(async () => {
  image = await sharp({ create: { width: 512, height: 512, channels: 3, background: 'red' } })
    .png()
    .toBuffer()
  vendors = await startVendors({ providers: ['bfl', 'runware', 'vtrix'], typicalMs: TYPICAL_MS })
  await new Promise<void>((resolve) => referenceServer.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  referenceServer.closeAllConnections()
  referenceServer.close()
  await vendors.close()
})

const folderFor = () => vendors.folder(`network: { allow: ["${referenceHost()}"] }\n`)

async function post(server: ServerProcess, body: object, headers: Readonly<Record<string, string>> = {}) {
  const reply = await fetch(`${server.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'respond-async', ...headers },
    body: JSON.stringify({ prompt: 'a lighthouse', ...body }),
  })
  return { status: reply.status, body: (await reply.json()) as Generation }
}

async function read(server: ServerProcess, id: string, waitSeconds = 0): Promise<Generation> {
  const reply = await fetch(`${server.url}/v1/generations/${id}`, { headers: waitSeconds > 0 ? { prefer: `wait=${waitSeconds}` } : {} })
  return (await reply.json()) as Generation
}

async function answersInMs(url: string): Promise<number> {
  const begunAt = performance.now()
  await fetch(url)
  return performance.now() - begunAt
}

const submitsOf = (mark: string) =>
  [...vendors.fronts.values()].flatMap(({ visits }) => visits).filter(({ purpose, body }) => purpose === 'submit' && body.includes(mark))
    .length

describe.concurrent('a gateway process', () => {
  test.concurrent.for([
    ['back an hour', -HOUR_MS],
    ['forward six years', 6 * 365 * 24 * HOUR_MS],
  ] as const)(
    'whose clock is set %s polls, waits and answers as if nothing had happened',
    { timeout: 90_000 },
    async ([, clockMs], { expect }) => {
      const folder = folderFor()
      const server = await startOddProcess(folder.environment, dirname(folder.dataDirectory))
      const marks = ['bfl', 'runware', 'vtrix'].map((provider) => ({ provider, mark: `clock ${clockMs} ${provider}` }))
      const started = await Promise.all(
        marks.map(({ provider, mark }) =>
          post(server, { model: `${provider}/flux-2-pro`, prompt: mark, width: 256, height: 256 }, { 'idempotency-key': mark }),
        ),
      )
      await pause(300)
      server.change({ clockMs })
      await pause(50)
      expect(await answersInMs(`${server.url}/healthz`)).toBeLessThan(5_000)
      const ends = await Promise.all(started.map(({ body }) => read(server, body.id, 30)))
      expect(ends.map(({ status, cost }) => [status, cost.basis])).toEqual(marks.map(() => ['succeeded', 'billed']))
      const repeated = await Promise.all(
        marks.map(({ provider, mark }) =>
          post(server, { model: `${provider}/flux-2-pro`, prompt: mark, width: 256, height: 256 }, { 'idempotency-key': mark }),
        ),
      )
      expect(repeated.map(({ body }) => body.id)).toEqual(started.map(({ body }) => body.id))
      expect(marks.map(({ mark }) => submitsOf(mark))).toEqual([1, 1, 1])
      expect(await server.kill('SIGTERM')).toBe('0')
      folder.remove()
    },
  )

  test.concurrent(
    'that is suspended past the deadline of its tasks delivers them when it goes on',
    { timeout: 120_000 },
    async ({ expect }) => {
      const folder = folderFor()
      const server = await startOddProcess(folder.environment, dirname(folder.dataDirectory), { deadlineMs: 8_000 })
      const { body } = await post(server, { model: 'bfl/flux-2-pro', prompt: 'suspended', width: 256, height: 256 })
      await expect.poll(() => submitsOf('suspended'), { timeout: 10_000 }).toBe(1)
      await pause(300)
      server.signal('SIGSTOP')
      await pause(10_000)
      server.signal('SIGCONT')
      expect(await read(server, body.id, 20)).toMatchObject({ status: 'succeeded', error: null, cost: { basis: 'billed' } })
      expect(submitsOf('suspended')).toBe(1)
      expect(await server.kill('SIGTERM')).toBe('0')
      folder.remove()
    },
  )

  test.concurrent(
    'that was down for longer than the deadline polls before it gives a task up',
    { timeout: 120_000 },
    async ({ expect }) => {
      const folder = folderFor()
      const odd = { deadlineMs: 8_000 }
      const first = await startOddProcess(folder.environment, dirname(folder.dataDirectory), odd)
      const { body } = await post(first, { model: 'bfl/flux-2-pro', prompt: 'downtime', width: 256, height: 256 })
      await expect.poll(async () => (await read(first, body.id)).attempts[0]?.status, { timeout: 10_000 }).toBe('pending')
      await first.kill('SIGKILL')
      await pause(9_000)
      const second = await startOddProcess(folder.environment, dirname(folder.dataDirectory), odd)
      expect(await read(second, body.id, 20)).toMatchObject({ status: 'succeeded', cost: { basis: 'billed' } })
      expect(submitsOf('downtime')).toBe(1)
      await second.kill('SIGTERM')
      folder.remove()
    },
  )

  test.concurrent(
    'whose disk refuses an acceptance buys nothing then or later, and its repetition under the same key buys once',
    { timeout: 120_000 },
    async ({ expect }) => {
      const folder = folderFor()
      const server = await startOddProcess(folder.environment, dirname(folder.dataDirectory))
      // This model takes bytes only, so the link is fetched before anything is bought.
      const wanted = {
        model: 'bfl/flux-1.1-pro',
        prompt: 'refused acceptance',
        reference_images: [`http://${referenceHost()}/refused.png`],
      }
      server.change({ refusesWrites: true })
      await pause(50)
      const refused = await post(server, wanted, { 'idempotency-key': 'refused' })
      expect(refused.status).toBeGreaterThanOrEqual(500)
      server.change({})
      await pause(1_500)
      expect(submitsOf('refused acceptance')).toBe(0)
      const accepted = await post(server, wanted, { 'idempotency-key': 'refused' })
      const again = await post(server, wanted, { 'idempotency-key': 'refused' })
      expect(again.body.id).toBe(accepted.body.id)
      expect((await read(server, accepted.body.id, 30)).status).toBe('succeeded')
      expect(submitsOf('refused acceptance')).toBe(1)
      expect(await server.kill('SIGTERM')).toBe('0')
      expect((await readBooks(folder.dataDirectory)).generations.map(({ id }) => id)).toEqual([accepted.body.id])
      folder.remove()
    },
  )
})

test('a gateway killed while a reference is being fetched buys once after it started again', { timeout: 90_000 }, async () => {
  const folder = folderFor()
  const first = await startProcess(folder.environment)
  const wanted = { model: 'bfl/flux-1.1-pro', prompt: 'half fetched reference', reference_images: [`http://${referenceHost()}/half.png`] }
  const visitsBefore = references.visits
  // The first bytes suffice to measure it; the rest never comes.
  references.answer = (response, bytes) => void response.write(bytes.subarray(0, bytes.length - 10))
  const posted = post(first, wanted, { 'idempotency-key': 'half' }).catch(() => null)
  await expect.poll(() => references.visits, { timeout: 10_000 }).toBeGreaterThan(visitsBefore)
  await Promise.race([posted, pause(2_000)])
  await first.kill('SIGKILL')
  references.answer = (response, bytes) => void response.end(bytes)
  const second = await startProcess(folder.environment)
  const { body } = await post(second, wanted, { 'idempotency-key': 'half' })
  expect((await read(second, body.id, 30)).status).toBe('succeeded')
  expect(submitsOf('half fetched reference')).toBe(1)
  expect(await second.kill('SIGTERM')).toBe('0')
  expect((await readBooks(folder.dataDirectory)).generations).toHaveLength(1)
  folder.remove()
})

test(
  'a gateway killed while a half delivered batch is fetched keeps its failure, and its cost stays unknown',
  { timeout: 90_000 },
  async () => {
    const folder = folderFor()
    const first = await startProcess(folder.environment)
    const front = vendors.front('runware')
    let fetches = 0
    front.treat = ({ purpose }) => (purpose === 'image' && ++fetches > 0 ? { kind: 'hang' } : { kind: 'pass' })
    const wanted = { model: 'runware/flux-2-pro', prompt: 'half batch sandbox:partial', n: 3, width: 256, height: 256 }
    const { body } = await post(first, wanted)
    await expect.poll(() => fetches, { timeout: 20_000 }).toBeGreaterThan(0)
    await first.kill('SIGKILL')
    front.treat = () => ({ kind: 'pass' })
    const second = await startProcess(folder.environment)
    const end = await read(second, body.id, 30)
    expect(end).toMatchObject({ status: 'succeeded', warnings: [{ field: 'n', requested: 3, used: 2 }] })
    // What the missing part cost is not known, and a crash does not make it known.
    expect(end.cost).toMatchObject({ amount: null, basis: 'unknown' })
    expect(end.attempts).toMatchObject([{ status: 'succeeded', error: { provider: 'runware' } }])
    expect(submitsOf('half batch')).toBe(1)
    expect(await second.kill('SIGTERM')).toBe('0')
    folder.remove()
  },
)
