import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CostReport } from '#contract'
import { dayText } from '../../src/web/format/facts.ts'
import { usdText } from '../../src/web/format/usd.ts'
import { launchGateway } from '../e2e/gateway.ts'
import { buildPagesOnce, hasChromium, openPage } from './browser.ts'

let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway()
}, 60_000)
afterAll(() => gateway.close())

const isByDay = (url: URL): boolean => url.pathname === '/v1/costs' && url.search.includes('day')

const isByProvider = (url: URL): boolean => url.pathname === '/v1/costs' && !url.search.includes('day')

/** What the API says of each day, and of twenty days before in digits that no binary fraction keeps, two providers having no colour. */
function withEarlierDays(groups: CostReport['groups']): CostReport['groups'] {
  const [like] = groups
  if (like === undefined) return groups
  const dayBefore = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10)
  const earlier = Array.from({ length: 20 }, (_, at) =>
    ['bfl', 'runware', 'another-1', 'another-2'].map((provider, nth) => ({
      ...like,
      group: { day: dayBefore(at + 1), provider },
      spend: `${at * 100}.${String(at + 1).repeat(2)}${nth + 1}0000${nth + 3}`.replace(/(\.\d{9})\d+$/, '$1'),
      unknown_cost_generations: at % 3,
    })),
  )
  return [...groups, ...earlier.flat()]
}

/** In whole billionths of a dollar. */
function sumOf(groups: CostReport['groups']): string {
  const billionths = groups.reduce((sum, { spend }) => {
    const [dollars = '', fraction = ''] = spend.split('.')
    return sum + BigInt(dollars + fraction.padEnd(9, '0'))
  }, 0n)
  return `${billionths / 1_000_000_000n}.${String(billionths % 1_000_000_000n).padStart(9, '0')}`.replace(/\.?0+$/, '')
}

/** Four providers, one of which prices a single image far below all others. */
function someOf([like]: CostReport['what_if']): CostReport['what_if'] {
  if (like === undefined) return []
  const said = { ...like, amount: '1.00', spent: '1.00', not_priced: 0, cost_unknown: 0, leaves_out: [] }
  return [
    { ...said, provider: 'none', amount: null, images: 0 },
    { ...said, provider: 'one of many', images: 1, vs_spent: '-90.0%' },
    { ...said, provider: 'most, dearer', images: 21, vs_spent: '+5.0%' },
    { ...said, provider: 'most, cheaper', images: 21, vs_spent: '-5.0%' },
  ]
}

describe.skipIf(!hasChromium)('the page of costs', () => {
  test('Costs shows what the API says, in its tables and of each day, to the digit', async () => {
    await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'a fox' }, { prefer: 'wait=60' })
    const report = (await (await gateway.ask('/v1/costs?group_by=provider')).json()) as CostReport
    let days: CostReport['groups'] = []
    const { page, close } = await openPage(`${gateway.url}/costs?days=30`, {
      prepare: async (blank) => {
        await blank.route(isByProvider, async (route) => {
          const real = (await (await route.fetch()).json()) as CostReport
          const groups = real.groups.map((one) => (one.group['provider'] === 'vtrix' ? { ...one, cost_per_image: null } : one))
          const total = { ...real.total, wasted: { ...real.total.wasted, unknown: '0.06' } }
          await route.fulfill({ json: { ...real, total, groups, what_if: someOf(real.what_if) } })
        })
        await blank.route(isByDay, async (route) => {
          const real = (await (await route.fetch()).json()) as CostReport
          days = withEarlierDays(real.groups)
          await route.fulfill({ json: { ...real, groups: days } })
        })
      },
    })
    const row = page.getByRole('table', { name: 'Costs', exact: true }).getByRole('row', { name: /Runware/ })
    const spend = report.groups.find(({ group }) => group['provider'] === 'runware')?.spend ?? ''
    await row.waitFor()
    expect((await row.textContent())?.includes(`$${Number(spend).toFixed(4)}`)).toBe(true)
    const cell = (provider: RegExp, column: string) =>
      page.getByRole('table', { name: 'Costs', exact: true }).getByRole('row', { name: provider }).locator(column).innerText()
    expect([await cell(/Vtrix/, '.each'), await cell(/Vtrix/, '.drift')]).toEqual([expect.stringMatching(/^unknown/), 'no quotes'])
    // Each day of the chart: what each provider came to, those without a colour together, and the sum, to the ninth digit.
    await page.getByRole('button', { name: 'Table' }).click()
    const shown = await page.getByRole('table', { name: 'A day' }).getByRole('row').allTextContents()
    const today = new Date().toISOString().slice(0, 10)
    for (const day of new Set(days.map(({ group }) => String(group['day'])))) {
      const of = days.filter(({ group }) => group['day'] === day)
      const others = of.filter(({ group }) => String(group['provider']).startsWith('another'))
      const amounts = of.filter((group) => !others.includes(group)).map((group) => group.spend)
      const sums = [...amounts, ...(others.length > 0 ? [sumOf(others)] : []), sumOf(of)].filter((amount) => Number(amount) > 0)
      const text = shown.find((one) => one.startsWith(dayText(day))) ?? `${day} is not shown`
      for (const amount of sums) expect(text).toContain(usdText(amount))
      const unknown = of.reduce((count, group) => count + group.unknown_cost_generations, 0)
      expect(text.includes(`+ ${unknown}`)).toBe(unknown > 0)
      if (day !== today) continue
      await page.getByRole('button', { name: 'Table' }).click()
      await page.getByRole('group', { name: /What was spent on each day/ }).focus()
      await page.keyboard.press('ArrowLeft')
      const facts = page.locator('.day-facts')
      expect(await facts.textContent()).toContain(`All${usdText(sumOf(of))}`)
      // It does not cover the day that it is of.
      const [over, stack] = [await facts.boundingBox(), await page.locator('.stack.chosen').boundingBox()]
      expect((over?.x ?? 0) + (over?.width ?? 0)).toBeLessThan(stack?.x ?? 0)
    }
    expect(shown.filter((one) => one.includes('others')).length).toBe(20)
    const elsewhere = await page.getByRole('table', { name: 'What it would have cost' }).getByRole('row').allTextContents()
    expect(elsewhere.slice(1).map((row) => /^(.*?)[\d,]+ of/.exec(row)?.[1])).toEqual([
      'most, cheaper',
      'most, dearer',
      'one of many',
      'none',
    ])
    await page.getByText('those that price the most images come first').waitFor()
    // What may have been wasted is not left out of the sentence that says what was.
    await page.getByText('Nothing wasted on failures and refusals, perhaps $0.0600 more').waitFor()
    await close()
  }, 90_000)

  test('shows the prices of one provider, a period whose ends were chosen the wrong way round, and on a phone what the words of the heads say', async () => {
    await gateway.generate({ prompt: 'one of unknown cost sandbox:lost-reply@bfl', provider: { only: ['bfl'] } })
    const { page, complaints, close } = await openPage(`${gateway.url}/costs?from=2026-11-01&to=2026-11-10`)
    const prices = page.getByRole('table', { name: 'Prices' }).locator('tbody tr')
    const chosen = page.getByRole('combobox', { name: 'Prices of' })
    await prices.filter({ hasText: 'Runware' }).first().waitFor()
    const { data } = (await (await gateway.ask('/v1/prices')).json()) as { data: readonly { provider: string }[] }
    const rowsOf = (provider: string) => data.filter((entry) => entry.provider === provider).length
    await chosen.selectOption('vtrix')
    const names = await prices.locator('td:nth-child(2)').allInnerTexts()
    expect([new Set(names), names.length]).toEqual([new Set(['Vtrix']), rowsOf('vtrix')])
    await chosen.selectOption('')
    expect(await prices.count()).toBe(data.length)
    await page.getByLabel('From').fill('2026-11-20')
    await page.waitForURL('**/costs?from=2026-11-20&to=2026-11-20')
    await page.getByLabel('To', { exact: true }).fill('2026-11-05')
    await page.waitForURL('**/costs?from=2026-11-05&to=2026-11-05')
    await page.setViewportSize({ width: 360, height: 780 })
    await page.getByRole('button', { name: '7 days' }).click()
    const row = page.getByRole('table', { name: 'Costs', exact: true }).getByRole('row', { name: /Black Forest Labs/ })
    await row.locator('.unknown-count .unknown').waitFor()
    const added = await page.evaluate(`getComputedStyle(document.querySelector('.unknown-count .unknown'), '::after').content`)
    expect(added).toBe('" unknown"')
    expect(complaints).toEqual([])
    await close()
  }, 90_000)

  test('says in sentences what holds where nothing was spent yet, where nothing was made, and where no bill can be compared', async () => {
    const own = await launchGateway()
    const shown = async (): Promise<string> => {
      const { page, complaints, close } = await openPage(`${own.url}/costs`)
      await page.getByRole('table', { name: 'Prices' }).locator('tbody tr').first().waitFor()
      await page.locator('.figure-line').waitFor()
      const text = await page.locator('main').innerText()
      expect(complaints).toEqual([])
      await close()
      return text
    }
    const empty = await shown()
    expect(empty).toContain('Nothing spent in this period')
    expect(empty).not.toMatch(/wasted|0 images|billed what|compare/)
    await own.generate({ prompt: 'sandbox:moderated x', provider: { only: ['bfl'] } })
    const refused = await shown()
    expect(refused).toMatch(/^No image\. Nothing wasted on failures and refusals\.$/m)
    expect(refused).not.toContain('What it would have cost')
    await own.generate({ model: 'vtrix/flux-2-pro' })
    expect(await shown()).toMatch(/^1 image, \$\S+ each\. Nothing wasted on failures and refusals\. No bill to compare with a quote\.$/m)
    await own.close()
  }, 90_000)
})
