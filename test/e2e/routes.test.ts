import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FIXTURE_PROVIDERS, json, launchGateway } from './gateway.ts'
import type { Gateway } from './gateway.ts'
import { Model, ProviderState, Quote } from '#contract'
import { loadProviders } from '../support/installed-providers.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway({
    config:
      'models:\n  house-style: { model: flux-2-flex, defaults: { guidance: 4, steps: 40 }, route: { order: [bfl] } }\n  flux-1.1-pro: { route: { order: [vtrix, bfl] } }\n',
  })
})
afterAll(() => gateway.close())

test('models are OpenAI’s list plus what each provider offers, with dated prices', async () => {
  const list = await json<{ object: string; data: Model[] }>(await gateway.ask('/v1/models'))
  expect(list.object).toBe('list')
  const started = (await loadProviders()).filter(({ id }) => FIXTURE_PROVIDERS.some((fixture) => fixture === id))
  const sold = started.flatMap(({ manifest }) => Object.keys(manifest.models))
  expect(list.data.map(({ id }) => id)).toEqual([...new Set([...sold, 'house-style'])].toSorted())
  for (const model of list.data) expect(Model.parse(model)).toEqual(model)
  const pro = list.data.find(({ id }) => id === 'flux-2-pro')
  expect(pro?.offers.map(({ provider }) => provider)).toEqual(['bfl', 'runware', 'vtrix'])
  expect(pro?.offers[0]).toMatchObject({
    price: { kind: 'megapixel', first_output: '0.03', as_of: expect.any(String), source_url: expect.stringMatching(/^https:/) },
  })
  expect(pro?.offers[2]?.price).toBeNull()
})

test('one model is found by its id, its alias and its pinned name', async () => {
  expect(await json(await gateway.ask('/v1/models/flux-2-pro'))).toMatchObject({ id: 'flux-2-pro', alias_of: null })
  expect(await json(await gateway.ask('/v1/models/house-style'))).toMatchObject({ id: 'house-style', alias_of: 'flux-2-flex' })
  expect(await json(await gateway.ask('/v1/models/runware/flux-2-pro'))).toMatchObject({ offers: [{ provider: 'runware' }] })
  expect((await gateway.ask('/v1/models/nothing')).status).toBe(404)
})

test('an alias fills in what the request leaves open', async () => {
  const generation = await gateway.generate({ model: 'house-style', steps: 30 })
  expect(generation).toMatchObject({ model: 'flux-2-flex', provider: 'bfl', request: { model: 'house-style', guidance: 4, steps: 30 } })
})

test('a route’s order is followed and shown', async () => {
  const generation = await gateway.generate({ model: 'flux-1.1-pro' })
  expect(generation).toMatchObject({ provider: 'vtrix', routing: { strategy: 'order' } })
})

test('providers show their state, load, health and balance', async () => {
  const list = await json<{ data: ProviderState[] }>(await gateway.ask('/v1/providers'))
  for (const provider of list.data) expect(ProviderState.parse(provider)).toEqual(provider)
  expect(list.data.map(({ id, state, sandbox }) => [id, state, sandbox])).toEqual([
    ['bfl', 'enabled', true],
    ['runware', 'enabled', true],
    ['vtrix', 'enabled', true],
  ])
  expect(list.data[0]?.balance_usd).toMatch(/^\d+(\.\d+)?$/)
  expect(list.data[2]?.balance_usd).toBeNull()
})

test('a quote prices every offer, cheapest first and unpriced last, and buys nothing', async () => {
  const before = await (await gateway.ask('/metrics')).text()
  const quote = Quote.parse(await json(await gateway.post('/v1/quotes', { model: 'flux-2-flex', prompt: 'x', width: 1024, height: 1024 })))
  expect(quote.offers.map(({ provider, cost }) => [provider, cost?.amount])).toEqual([
    ['bfl', '0.05'],
    ['runware', '0.06'],
  ])
  expect(quote.cheapest).toBe('bfl')
  const submits = (text: string) => text.split('\n').filter((line) => line.startsWith('imagegate_submits_total'))
  expect(submits(await (await gateway.ask('/metrics')).text())).toEqual(submits(before))
})

describe('operations', () => {
  test('liveness, readiness and metrics answer', async () => {
    expect(await json(await gateway.ask('/healthz'))).toEqual({ status: 'ok' })
    expect(await json(await gateway.ask('/readyz'))).toEqual({ status: 'ok' })
    const metrics = await gateway.ask('/metrics')
    expect(metrics.headers.get('content-type')).toContain('text/plain')
    expect(await metrics.text()).toMatch(/imagegate_generations_total\{[^}]*status="succeeded"[^}]*\} \d/)
  })

  test('OpenAPI 3.1 names every route and schema, and the docs page loads it', async () => {
    const document = await json<{
      openapi: string
      paths: Record<string, Record<string, { responses?: object }>>
      components: { schemas: Record<string, unknown> }
    }>(await gateway.ask('/openapi.json'))
    expect(document.openapi).toMatch(/^3\.1/)
    expect(JSON.stringify(document)).toContain('This server is a sandbox')
    for (const path of [
      '/v1/generations',
      '/v1/generations/{id}',
      '/v1/generations/{id}/events',
      '/v1/generations/{id}/cancel',
      '/v1/images/{file}',
      '/v1/models',
      '/v1/providers',
      '/v1/quotes',
      '/healthz',
      '/readyz',
      '/metrics',
    ]) {
      expect(Object.keys(document.paths)).toContain(path)
    }
    for (const schema of ['Generation', 'GenerationRequest', 'Problem', 'Model', 'Quote'])
      expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining([schema]))
    const docs = await gateway.ask('/docs')
    expect(docs.status).toBe(200)
    expect(await docs.text()).toContain('src="js/start.js"')
    expect(await (await gateway.ask('/docs/js/start.js')).text()).toContain('/openapi.json')
  })
})
