import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Comparison } from '#contract'
import { json, launchGateway } from '../e2e/gateway.ts'
import type { Gateway } from '../e2e/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway()
})
afterAll(() => gateway.close())

/** The ids of all events of a stream that ends. */
async function idsOf(path: string): Promise<readonly string[]> {
  const text = await (await gateway.ask(path)).text()
  return [...text.matchAll(/^id: (.*)$/gm)].map(([, id = '']) => id)
}

const reconnected = (path: string, id: string | undefined) => gateway.ask(path, { headers: { 'last-event-id': id ?? '' } })

test('a client that reconnects after the end of a generation gets 204, and one that missed the end gets the end', async () => {
  const { id } = await gateway.generate({})
  const path = `/v1/generations/${id}/events`
  const ids = await idsOf(path)
  expect((await reconnected(path, ids.at(-1))).status).toBe(204)
  const missed = await reconnected(path, ids.at(-2))
  expect(missed.status).toBe(200)
  expect(await missed.text()).toContain('event: succeeded')
})

test('a client that reconnects after the end of a comparison gets 204, and one that missed the end gets the end', async () => {
  const comparison = await json<Comparison>(await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'a lighthouse' }))
  const path = `/v1/comparisons/${comparison.id}/events`
  const ids = await idsOf(path)
  expect((await reconnected(path, ids.at(-1))).status).toBe(204)
  const missed = await reconnected(path, ids.at(-2))
  expect(missed.status).toBe(200)
  expect(await missed.text()).toMatch(/^id: [\de.]+\.end\nevent: succeeded\n/m)
})

test('event streams are kept by no cache', async () => {
  const { id } = await gateway.generate({})
  const comparison = await json<Comparison>(await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'a lighthouse' }))
  const paths = [`/v1/generations/${id}/events`, `/v1/comparisons/${comparison.id}/events`]
  const answers = await Promise.all(paths.map((path) => gateway.ask(path)))
  expect(answers.map(({ status, headers }) => [status, headers.get('cache-control')])).toEqual([
    [200, 'no-store, no-transform'],
    [200, 'no-store, no-transform'],
  ])
})
