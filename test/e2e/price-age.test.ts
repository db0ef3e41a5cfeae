import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PriceEntry, Quote } from '#contract'
import { launchGateway, type Gateway } from './gateway.ts'

const DAY_MS = 86_400_000
const daysAgo = (days: number): string => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10)
let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway({
    providers: ['openrouter'],
    config: `providers:
  openrouter:
    surcharge_percent: "5.5"
    prices:
      flux-2-pro: { per_image: "0.04", as_of: "${daysAgo(59)}" }
      flux-2-flex: { per_image: "0.04", as_of: "${daysAgo(61)}" }`,
  })
})
afterAll(() => gateway.close())

const price = async (model: string): Promise<PriceEntry | undefined> => {
  const { data } = (await (await gateway.ask('/v1/prices')).json()) as { readonly data: readonly PriceEntry[] }
  return data.find((entry) => entry.model === model)
}

test('a price that was read over sixty days ago says how old it is and what to do, whatever day it is; a younger one does not', async () => {
  expect((await price('flux-2-pro'))?.warning).toBeNull()
  expect((await price('flux-2-flex'))?.warning).toMatch(/^read 6[12] days ago: read it again at its source$/)
})

test('what OpenRouter takes on credit, 5.5 %, is a line of its own in the price, the quote and the cost of its bill', async () => {
  const request = { model: 'flux-2-pro', prompt: 'a lighthouse' }
  const lines = [{ amount: '0.04' }, { what: 'surcharge of 5.5 %', amount: '0.0022' }]
  expect(await price('flux-2-pro')).toMatchObject({ surcharge_percent: '5.5', examples: { one_megapixel: { amount: '0.0422', lines } } })
  const { offers } = (await (await gateway.post('/v1/quotes', request)).json()) as Quote
  expect(offers).toMatchObject([{ provider: 'openrouter', cost: { amount: '0.0422', lines } }])
  const { cost } = await gateway.generate(request, { prefer: 'wait=20' })
  expect(cost).toMatchObject({ quoted: '0.0422', basis: 'billed', lines: [{}, { what: 'surcharge of 5.5 %' }] })
  const [billed, fee] = cost.lines.map(({ amount }) => Number(amount))
  expect(fee).toBeCloseTo((billed ?? 0) * 0.055, 9)
})
