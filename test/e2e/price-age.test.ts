import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PriceEntry, Quote } from '#contract'
import { launchGateway, type Gateway } from './gateway.ts'

const READ_ON = '2026-11-21'
const DAY_MS = 86_400_000
let daysSince = 0
let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway({
    providers: ['openrouter'],
    wrapPorts: (ports) => ({ ...ports, clock: { ...ports.clock, now: () => Date.parse(READ_ON) + daysSince * DAY_MS } }),
    config: `providers:
  openrouter:
    surcharge_percent: "5.5"
    prices:
      flux-2-pro: { per_image: "0.04", as_of: "${READ_ON}" }`,
  })
})
afterAll(() => gateway.close())

const price = async (model: string): Promise<PriceEntry | undefined> => {
  const { data } = (await (await gateway.ask('/v1/prices')).json()) as { readonly data: readonly PriceEntry[] }
  return data.find((entry) => entry.model === model)
}

test('a price that was read over sixty days ago says by the gateway’s clock how old it is and what to do; a younger one does not', async () => {
  for (const [days, warning] of [
    [0, null],
    [60, null],
    [61, 'read 61 days ago: read it again at its source'],
    [400, 'read 400 days ago: read it again at its source'],
  ] as const) {
    daysSince = days
    expect((await price('flux-2-pro'))?.warning).toBe(warning)
  }
  daysSince = 0
})

test('a fee of 5.5 % on OpenRouter’s credit is a line of its own in the price, the quote and the cost of its bill', async () => {
  const request = { model: 'flux-2-pro', prompt: 'a lighthouse' }
  const lines = [{ amount: '0.04' }, { what: 'surcharge of 5.5 %', amount: '0.0022' }]
  expect(await price('flux-2-pro')).toMatchObject({ surcharge_percent: '5.5', examples: { one_megapixel: { amount: '0.0422', lines } } })
  const { offers } = (await (await gateway.post('/v1/quotes', request)).json()) as Quote
  expect(offers).toMatchObject([{ provider: 'openrouter', cost: { amount: '0.0422', lines } }])
  const { cost } = await gateway.generate(request, { prefer: 'wait=60' })
  expect(cost).toMatchObject({ quoted: '0.0422', basis: 'billed', lines: [{}, { what: 'surcharge of 5.5 %' }] })
  const [billed, fee] = cost.lines.map(({ amount }) => Number(amount))
  expect(fee).toBeCloseTo((billed ?? 0) * 0.055, 9)
})
