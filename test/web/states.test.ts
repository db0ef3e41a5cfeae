import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Comparison, Quote } from '#contract'
import { json, launchGateway } from '../e2e/gateway.ts'
import { faultsOf, useAxe } from './axe.ts'
import { buildPagesOnce, hasChromium, openPage, region, says } from './browser.ts'
import { builtSheet, SHEET_URL } from './sheet-page.ts'

let gateway: Awaited<ReturnType<typeof launchGateway>>
let first: Comparison
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway()
  first = await json(await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'a fox' }, { prefer: 'wait=60' }))
}, 60_000)
afterAll(() => gateway.close())

const generationOf = (provider: string): string => first.summary.find((row) => row.provider === provider)?.generation_id ?? ''
const asked = (page: Page) => page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()

describe.skipIf(!hasChromium)('while there is nothing to show', { concurrent: true }, () => {
  test('a list that is waited for has its rows, empty and busy; one without a match, and a period without an image, say so and lead on', async () => {
    const answers = Promise.withResolvers<void>()
    const { page, complaints, close } = await openPage(`${gateway.url}/generations?q=nobody+asked+this`, {
      prepare: (blank) =>
        blank.route('**/v1/generations?*', async (route) => {
          await answers.promise
          await route.continue()
        }),
    })
    const list = page.getByRole('table', { name: 'Generations' })
    await list.locator('tbody tr').nth(5).waitFor()
    expect(await list.getAttribute('aria-busy')).toBe('true')
    answers.resolve()
    await page.getByText('Nothing matches.').waitFor()
    await page.getByRole('link', { name: 'Clear the filters' }).click()
    await list.getByText('One of 3 compared.').first().waitFor()
    await page.goto(`${gateway.url}/costs?from=2020-01-01&to=2020-01-31`)
    await page.getByText('Nothing spent in this period').waitFor()
    await page.getByRole('link', { name: /^Show [A-Z]/ }).click()
    await page.getByRole('table', { name: 'Costs', exact: true }).getByText('Vtrix').waitFor()
    expect(complaints).toEqual([])
    await close()
  }, 90_000)

  test('an image that is stored no more leaves its slot, a sentence and its facts', async () => {
    const gone = (page: Page) => page.route('**/v1/images/**', (route) => route.fulfill({ status: 410, body: '' }))
    const { page, close } = await openPage(`${gateway.url}/?c=${first.id}`, { prepare: gone })
    await region(page, 'Vtrix').getByText('No longer stored.').waitFor()
    expect(await region(page, 'Vtrix').locator('.facts').textContent()).toContain('1024 × 1024')
    await page.goto(`${gateway.url}/generations/${generationOf('vtrix')}`)
    await page.getByText('No longer stored.').waitFor()
    await page.getByText(/^1024 × 1024 · /).waitFor()
    await close()
  }, 90_000)

  test('a generation that comes while the list is scrolled waits behind a button, and nothing jumps', async () => {
    for (let at = 0; at < 12; at++)
      await gateway.generate({ width: 256, height: 256, prompt: `number ${at}`, provider: { only: ['runware'] } })
    const { page, close } = await openPage(`${gateway.url}/generations`, { height: 500 })
    await page.getByRole('link', { name: 'number 11' }).waitFor()
    await page.evaluate('scrollTo(0, 400)')
    await gateway.generate({ width: 256, height: 256, prompt: 'the newest one', provider: { only: ['runware'] } })
    const newer = page.getByRole('button', { name: /^\d+ new$/ })
    await newer.waitFor()
    expect([await newer.textContent(), await page.getByRole('link', { name: 'the newest one' }).count()]).toEqual(['1 new', 0])
    await newer.click()
    await page.getByRole('link', { name: 'the newest one' }).waitFor()
    await close()
  }, 90_000)
})

describe.skipIf(!hasChromium)('a request that is refused', { concurrent: true }, () => {
  test('says so below the field, which has the focus; that nobody can take it, and a price that changed, stand above the quotes', async ({
    expect,
  }) => {
    let factor = 1
    const { page, complaints, close } = await openPage(gateway.url, {
      prepare: (blank) =>
        blank.route('**/v1/quotes', async (route) => {
          const reply = await route.fetch()
          const quote = (await reply.json()) as Quote
          if (factor > 1) for (const offer of quote.offers) if (offer.cost) offer.cost.amount = '0.048'
          await route.fulfill({ response: reply, json: quote })
        }),
    })
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a fox')
    await asked(page)
    await page.getByRole('textbox', { name: 'Seed' }).fill('seven')
    await page.locator('#seed-wrong').waitFor()
    await page.getByRole('textbox', { name: 'Prompt' }).focus()
    await page.keyboard.press('Control+Enter')
    await expect.poll(() => page.evaluate('document.activeElement.id'), { timeout: 30_000 }).toBe('seed')
    await page.getByRole('textbox', { name: 'Seed' }).fill('')
    await page.getByRole('textbox', { name: 'Stop above' }).fill('0.001')
    await page.getByText('No provider can take this request.').first().waitFor()
    await page.getByRole('table', { name: 'Quotes' }).getByText('Refused:').first().waitFor()
    await page.getByRole('textbox', { name: 'Stop above' }).fill('')
    await page.getByText('No provider can take this request.').first().waitFor({ state: 'detached' })
    await asked(page)
    factor = 2
    await page.getByRole('button', { name: 'Compare', exact: true }).click()
    await page.getByText('The provider changed its price.').waitFor()
    expect(await page.locator('.quotes-note').textContent()).toContain('Quoted $0.0300, now $0.0480. Compare again to agree.')
    expect(new URL(page.url()).search).toBe('')
    expect(complaints).toEqual([])
    await close()
  }, 90_000)

  test('says for any other reason its title, its detail and the id of the request, to copy', async () => {
    const { page, close } = await openPage(`${gateway.url}/?c=cmp_none`)
    const note = page.getByRole('alert').filter({ hasText: 'Request' })
    await note.waitFor()
    const said = (await note.textContent()) ?? ''
    const reply = await gateway.ask('/v1/comparisons/cmp_none')
    const { title, detail } = (await reply.json()) as { title: string; detail: string }
    expect(said).toContain(`${title}. ${detail}`)
    expect(said).toMatch(/Request [\w-]{8,}/)
    await says(page, '[role=alert]', /Copied|Not copied/, () => note.getByRole('button', { name: 'Copy the request id' }).click())
    await close()
  }, 90_000)
})

describe.skipIf(!hasChromium)('the sheet of states that `npm run screenshots` writes', { concurrent: true }, () => {
  test('has the words of the design for states, money, notes and empty pages, and no fault that axe finds in either theme', async () => {
    const sheet = await builtSheet()
    const { page, complaints, close } = await openPage(SHEET_URL, { width: 720, prepare: sheet.serve })
    await page.getByText('Show October').waitFor()
    const said = (await page.locator('main.sheet').innerText()).replaceAll(/\s+/g, ' ')
    for (const words of WORDS) expect(said).toContain(words)
    await useAxe(page)
    // It shows a page within a page, so its landmarks are twice there.
    const faults = (await faultsOf(page, 'html')).filter((fault) => !fault.startsWith('landmark-') && !fault.startsWith('page-has'))
    expect([...faults, ...complaints]).toEqual([])
    await close()
    sheet.remove()
  }, 60_000)
})

const WORDS = [
  'Queued Running Succeeded Failed Moderated Outcome unknown Canceled Cannot 3 of 4 images',
  'Exact, never rounded $1,284.0735',
  'Below a dollar $0.0285',
  'Nothing to pay, and known $0',
  'Not known unknown',
  '$122.916 + 3 unknown',
  'No price published no price',
  'Not billed Not billed',
  'Billed though refused Billed $0.0300',
  'Billed? Unknown, at most $0.0450',
  'Exact Near Far Cannot',
  'The gateway does not answer. Shown as of 10:41:07. Open generations go on there; this page catches up by itself. Next try in 4 s. Try now',
  'Over the budget of key team-a. $49.965 of $50.00 used in November, this asks for $0.0450. Nothing was bought.',
  'The provider changed its price. Quoted $0.0450, now $0.0480. Compare again to agree.',
  'No generations yet Ask for one on Compare, or from a terminal: npm run demo',
  'The last image was bought on 30 October. Show October',
  'Kept for this tab only. Open',
]
