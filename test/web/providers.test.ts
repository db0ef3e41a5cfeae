import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Model, ProviderState, Quote } from '#contract'
import { launchGateway } from '../e2e/gateway.ts'
import { buildPagesOnce, hasChromium, openPage, sideways } from './browser.ts'

let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway()
}, 60_000)
afterAll(() => gateway.close())

/** What the real gateway answers, changed. */
const changed = <Body>(page: Page, path: string, change: (body: Body) => Body) =>
  page.route(
    (url) => url.pathname === path,
    async (route) => route.fulfill({ json: change((await (await route.fetch()).json()) as Body) }),
  )

const STATES: Readonly<Record<string, Partial<ProviderState>>> = {
  bfl: { breaker: 'open', failures_in_a_row: 5, success_rate: 0.914 },
  runware: { in_flight: 4, max_in_flight: 4, waiting: 2, success_rate: 0.996 },
  vtrix: { state: 'disabled', reason: 'No key: set VTRIX_API_KEY.' },
}
const TIMES = {
  runware: { p50: 4_100, p95: 8_200, samples: 40 },
  bfl: { p50: 4_120, p95: 9_000, samples: 12 },
  vtrix: null,
} as const

/** One provider of each state, measured often, a few times and never. */
async function withStates(page: Page): Promise<void> {
  await changed<{ data: ProviderState[] }>(page, '/v1/providers', ({ data, ...rest }) => ({
    ...rest,
    data: [
      ...data.map((one) => ({ ...one, ...STATES[one.id], next_try_at: new Date(Date.now() + 22_000).toISOString() })),
      ...data.slice(0, 1).map((one) => ({ ...one, id: 'trying', title: 'Relay', breaker: 'half_open' as const, balance_usd: null })),
    ],
  }))
  await changed<{ data: Model[] }>(page, '/v1/models', ({ data, ...rest }) => ({
    ...rest,
    data: data.map((model) => ({
      ...model,
      offers: model.offers.map((offer) => ({ ...offer, latency_ms: TIMES[offer.provider as keyof typeof TIMES] })),
    })),
  }))
  await changed<Quote>(page, '/v1/quotes', (quote) => ({
    ...quote,
    offers: quote.offers.map((offer) => ({ ...offer, latency_ms: TIMES[offer.provider as keyof typeof TIMES] })),
    route: ['runware', 'bfl'],
    cheapest: 'runware',
    considered: [{ provider: 'vtrix', reason: 'full: none of its slots (max_in_flight) is free.' }],
  }))
  const hour = (ago: number) => new Date((Math.floor(Date.now() / 3_600_000) - ago) * 3_600_000).toISOString()
  const at = (ago: number, samples: number) => ({ starts_at: hour(ago), latency_ms: { p50: 4_700, p95: 9_100, samples } })
  await page.route('**/v1/providers/*/history*', (route) =>
    route.fulfill({ json: { data: route.request().url().includes('runware') ? [at(5, 30), at(1, 30)] : [] } }),
  )
}

describe.skipIf(!hasChromium)('the page of providers', () => {
  test('says the state of each as a word with its reason, how many succeeded and how long they took, two days of times, and where a request would go', async () => {
    const { page, complaints, close } = await openPage(`${gateway.url}/providers`, { prepare: withStates })
    const rows = page.getByRole('table', { name: 'Providers' }).locator('tbody tr')
    const said = async (name: string) => (await rows.filter({ hasText: name }).innerText()).replaceAll(/\s+/g, ' ')
    await rows.filter({ hasText: 'Black Forest Labs' }).getByText('Resting').waitFor()
    // Times come with another answer than states.
    await expect
      .poll(() => said('Black Forest Labs'))
      .toMatch(/Resting 5 failures in a row\. Tried again in \d+ s; traffic goes elsewhere\. .* 91\.4 % 4\.1 s \$/)
    await expect.poll(() => said('Runware')).toMatch(/Ready, full 4 of 4 slots in use, 2 waiting\. 4 of 4 99\.6 % 4\.1 to 8\.2 s/)
    await expect.poll(() => said('Relay')).toMatch(/Trying One request decides .* none yet not yet measured not reported/)
    // Of one that is off nothing else is said.
    expect(await said('Vtrix')).toMatch(/Off No key: set VTRIX_API_KEY\. ?$/)
    await page.getByRole('img', { name: 'Runware: 4.7 s half, 9.1 s for 19 in 20, in the last hour measured' }).waitFor()
    expect(await page.locator('.time-plot').allInnerTexts()).toEqual([
      expect.stringMatching(/10\.0 s\s+5\.0 s\s+9\.1 s 95 %\s+4\.7 s half/),
    ])
    const route = page.getByRole('list', { name: 'Route' }).getByRole('listitem')
    await route.nth(2).waitFor()
    expect((await route.allInnerTexts()).map((text) => text.split('\n').slice(0, 3))).toEqual([
      ['1', 'Runware', 'Cheapest exact offer, ready.'],
      ['2', 'Black Forest Labs', 'Same price and time as Runware.'],
      ['–', 'Vtrix', 'Full: none of its slots is free.'],
    ])
    await page.setViewportSize({ width: 360, height: 780 })
    const fields = await page.locator('.dry-fields .control').evaluateAll((all) => all.map((one) => one.getBoundingClientRect().width))
    expect(Math.min(...fields)).toBeGreaterThan(180)
    expect([await sideways(page), complaints]).toEqual([0, []])
    await close()
  }, 90_000)
})
