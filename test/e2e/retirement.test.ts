import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Quote } from '#contract'
import { launchGateway, type Gateway } from './gateway.ts'

let gateway: Gateway
let now = Date.parse('2027-01-15T12:00:00Z')
beforeAll(async () => {
  gateway = await launchGateway({
    config: 'models: { flux-1.1-pro: { retires_on: 2027-03-01, replaced_by: flux-2-pro } }',
    wrapPorts: (ports) => ({ ...ports, clock: { ...ports.clock, now: () => now } }),
  })
})
afterAll(() => gateway.close())

const ask = (path: string, body: object = { model: 'flux-1.1-pro', prompt: 'a lighthouse' }) =>
  fetch(`${gateway.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

test('the end of a model is announced in headers and warnings of results and quotes, and then refused with its replacement', async () => {
  const task = {
    taskType: 'imageInference',
    taskUUID: '00000000-0000-4000-8000-000000000001',
    model: 'bfl:2@1',
    positivePrompt: 'x',
    width: 512,
    height: 512,
  }
  const submitted = await ask('/bfl/v1/flux-pro-1.1', { prompt: 'a lighthouse' })
  const polled = ((await submitted.clone().json()) as { polling_url: string }).polling_url
  const answers = {
    generation: await ask('/v1/generations'),
    quote: await ask('/v1/quotes'),
    openai: await ask('/v1/images/generations'),
    'bfl submit': submitted,
    'bfl poll': await fetch(polled),
    runware: await ask('/runware/v1', [task]),
  }
  for (const [what, answer] of Object.entries(answers)) {
    expect(answer.status, what).toBe(200)
    expect(answer.headers.get('deprecation'), what).toBe('@1798675200')
    expect(answer.headers.get('sunset'), what).toBe('Mon, 01 Mar 2027 00:00:00 GMT')
  }
  const { offers } = (await (await ask('/v1/quotes')).json()) as Quote
  expect(offers.flatMap(({ warnings }) => warnings.map(({ code }) => code))).toContain('deprecated')
  const model = (await (await fetch(`${gateway.url}/v1/models/flux-1.1-pro`)).json()) as object
  expect(model).toMatchObject({
    offers: expect.arrayContaining([expect.objectContaining({ retires_on: '2027-03-01', replaced_by: 'flux-2-pro' })]),
  })
  now = Date.parse('2027-03-01T00:00:00Z')
  const refused = await ask('/v1/generations')
  expect(refused.status).toBe(422)
  expect(await refused.json()).toMatchObject({ code: 'no_eligible_offer', detail: expect.stringContaining('flux-2-pro replaces it') })
})

test('gpt-image-1.5 and gpt-image-1-mini are announced by the manifest, and from 2026-12-01 on refused with what replaces them, unbought', async () => {
  let instant = Date.parse('2026-11-30T23:59:59Z')
  const own = await launchGateway({
    providers: ['openai'],
    wrapPorts: (ports) => ({ ...ports, clock: { ...ports.clock, now: () => instant } }),
  })
  onTestFinished(() => own.close())
  for (const model of ['gpt-image-1.5', 'gpt-image-1-mini']) {
    instant = Date.parse('2026-11-30T23:59:59Z')
    const request = { model, prompt: 'a lighthouse', quality: 'low' }
    for (const path of ['/v1/generations', '/v1/quotes']) {
      const answer = await own.post(path, request)
      expect(answer.status, path).toBe(200)
      expect(answer.headers.get('sunset'), path).toBe('Tue, 01 Dec 2026 00:00:00 GMT')
      expect(answer.headers.get('deprecation'), path).toMatch(/^@\d+$/)
      expect(JSON.stringify(await answer.json())).toContain('gpt-image-2.6-sunburst replaces it')
    }
    const before = (await (await own.ask('/v1/generations?limit=100')).json()) as { data: readonly object[] }
    instant = Date.parse('2026-12-01T00:00:00Z')
    for (const [path, status] of [
      ['/v1/generations', 422],
      ['/v1/images/generations', 400],
    ] as const) {
      const refused = await own.post(path, request)
      expect(refused.status, path).toBe(status)
      expect(JSON.stringify(await refused.json()), path).toContain(
        `openai retired ${model} on 2026-12-01; gpt-image-2.6-sunburst replaces it`,
      )
    }
    expect(await (await own.post('/v1/quotes', request)).json()).toMatchObject({ offers: [{ eligible: false }], route: [] })
    expect(await (await own.ask('/v1/generations?limit=100')).json()).toMatchObject({ data: before.data.map(() => ({})) })
  }
}, 40_000)
