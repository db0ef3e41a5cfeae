import { afterAll, beforeAll, expect, test } from 'vitest'
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

const ask = (path: string) =>
  fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'flux-1.1-pro', prompt: 'a lighthouse' }),
  })

test('the end of a model is announced in headers and warnings of results and quotes, and then refused with its replacement', async () => {
  for (const path of ['/v1/generations', '/v1/quotes', '/v1/images/generations']) {
    const answer = await ask(path)
    expect(answer.status, path).toBe(200)
    expect(answer.headers.get('deprecation'), path).toBe('@1798675200')
    expect(answer.headers.get('sunset'), path).toBe('Mon, 01 Mar 2027 00:00:00 GMT')
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
