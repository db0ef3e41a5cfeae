import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Comparison } from '#contract'
import { launchGateway } from '../e2e/gateway.ts'
import { buildPagesOnce, hasChromium, openPage, region, sideways } from './browser.ts'

/** Until the page is loaded anew, the two seconds in which a press can be taken back do not end, however slow the machine is. */
const NO_END_OF_THE_MOMENT = `if (location.protocol === 'http:' && sessionStorage.getItem('was loaded') === null) {
  sessionStorage.setItem('was loaded', '1')
  const later = setTimeout
  window.setTimeout = (action, ms) => later(action, ms === 2000 ? 1e8 : ms)
}`
const HOSTILE = '<img src=x onerror="document.title=1"> & "a fox" sandbox:moderated@bfl'

let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway()
}, 60_000)
afterAll(() => gateway.close())

describe.skipIf(!hasChromium)('Compare', { concurrent: true }, () => {
  test('asks three providers, one moderated, and shows what each charged; a hostile prompt stays text', async () => {
    const { page, complaints, close } = await openPage(gateway.url)
    await page.getByRole('button', { name: 'Compare', exact: true }).click()
    await page.getByText('A prompt is needed.').waitFor()
    await page.getByRole('textbox', { name: 'Prompt' }).fill(HOSTILE)
    await page.getByRole('textbox', { name: 'Width' }).fill('1530')
    const quotes = page.getByRole('table', { name: 'Quotes' })
    await quotes.getByText('width 1530 to 1536').first().waitFor()
    expect(await page.getByRole('note', { name: 'Sandbox' }).isVisible()).toBe(true)
    for (const title of ['Black Forest Labs', 'Runware', 'Vtrix'])
      expect(await page.getByRole('checkbox', { name: title }).isChecked()).toBe(true)
    expect(await page.getByRole('combobox', { name: 'Model' }).inputValue()).toBe('flux-2-pro')
    // Ctrl and Enter start it from anywhere in the form.
    await page.keyboard.press('Control+Enter')
    await region(page, 'Black Forest Labs').getByText('Moderated before it was made').waitFor()
    await region(page, 'Runware').getByText('Succeeded').waitFor()
    await region(page, 'Vtrix').getByText('$0.0285').waitFor()
    expect(await region(page, 'Runware').getByRole('img').getAttribute('alt')).toBe(HOSTILE)
    expect(
      await region(page, 'Black Forest Labs')
        .getByText('Not billed')
        .or(region(page, 'Black Forest Labs').getByText(/^Billed/))
        .isVisible(),
    ).toBe(true)
    expect(await page.title()).toBe('Compare · imagegate')
    // The permalink shows the same in another tab.
    const again = await openPage(page.url(), { width: 360, height: 700, theme: 'dark' })
    await region(again.page, 'Vtrix').getByText('$0.0285').waitFor()
    expect(await again.page.getByRole('textbox', { name: 'Prompt' }).inputValue()).toBe(HOSTILE)
    expect(await sideways(again.page)).toBe(0)
    expect([...complaints, ...again.complaints]).toEqual([])
    await again.close()
    await page.keyboard.press('Escape')
    await page
      .locator('h1')
      .click({ force: true })
      .catch(() => undefined)
    await page.getByRole('button', { name: 'Wipe', exact: true }).click()
    await page.getByRole('slider', { name: 'Wipe between A and B' }).focus()
    await page.keyboard.press('ArrowRight')
    expect(await page.getByRole('slider', { name: 'Wipe between A and B' }).getAttribute('aria-valuetext')).toContain(
      'left Runware, right Vtrix',
    )
    expect(await page.getByRole('table', { name: 'A and B' }).getByText('$0.0285').isVisible()).toBe(true)
    await page.getByRole('button', { name: 'Side by side' }).click()
    await page.getByRole('button', { name: 'Blind vote' }).click()
    expect(await page.locator('.blind').textContent()).not.toMatch(/Runware|Vtrix|\$/)
    await page.getByRole('button', { name: /^Choose A/ }).click()
    await page.getByRole('table', { name: 'Chosen blind' }).waitFor()
    await close()
  }, 90_000)

  test('that is pressed before its prices are there waits for them, shows them, and goes a moment later unless it is taken back; nothing starts at another price than was seen, above the stop, or for nobody', async () => {
    const count = async () => {
      const { data } = (await (await gateway.ask('/v1/comparisons')).json()) as { data: readonly Comparison[] }
      return data.filter(({ request }) => request['prompt'] === 'a fox in a hurry').length
    }
    let prices = Promise.withResolvers<void>()
    const { page, complaints, close } = await openPage(gateway.url, {
      async prepare(blank) {
        await blank.addInitScript(NO_END_OF_THE_MOMENT)
        await blank.route('**/v1/quotes', async (route) => {
          await prices.promise
          await route.continue()
        })
      },
    })
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a fox in a hurry')
    const press = () => page.getByRole('button', { name: 'Compare', exact: true }).click()
    await press()
    await page.getByText('It starts as soon as its prices are there.').waitFor()
    prices.resolve()
    await page.locator('#go-said').getByText('It starts in a moment, for $0.0600 + 1 without a price.').waitFor()
    await page.getByRole('button', { name: 'Do not start' }).click()
    await page.locator('#go-said').getByText('It starts').waitFor({ state: 'detached' })
    prices = Promise.withResolvers()
    await page.reload()
    // What was typed is still there, in this tab.
    expect(await page.getByRole('textbox', { name: 'Prompt' }).inputValue()).toBe('a fox in a hurry')
    await press()
    await page.getByText('It starts as soon as its prices are there.').waitFor()
    expect(await count()).toBe(0)
    prices.resolve()
    for (const title of ['Runware', 'Vtrix']) await region(page, title).getByText('Succeeded').waitFor()
    expect(await count()).toBe(1)
    // The request is changed, and started before its new price was seen.
    await page.evaluate('document.activeElement.blur()')
    await page.keyboard.press('e')
    prices = Promise.withResolvers()
    await page.getByRole('textbox', { name: 'Width' }).fill('2048')
    await page.keyboard.press('Control+Enter')
    await page.getByText('It starts as soon as its prices are there.').waitFor()
    prices.resolve()
    await page.getByText('Another price.').waitFor()
    expect(await page.locator('.quotes-note').textContent()).toMatch(
      /It was \$0\.0600 \+ 1 without a price, and is \$0\.\d+ \+ 1 without a price as it stands now\. Compare again to agree\./,
    )
    await page.getByRole('textbox', { name: 'Width' }).fill('1024')
    await page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
    await page.getByRole('textbox', { name: 'Stop above' }).fill('0.05')
    await page.getByText('Over your stop by $0.0100.').waitFor()
    // It stays, and can be read under the pointer too.
    await page.getByRole('button', { name: 'Compare', exact: true }).hover()
    const [word, ground] = await page.evaluate<string[]>(
      '(({ color, backgroundColor }) => [color, backgroundColor])(getComputedStyle(document.querySelector(".go .primary")))',
    )
    expect(word).not.toBe(ground)
    await page.keyboard.press('Control+Enter')
    await page.getByRole('textbox', { name: 'Stop above' }).fill('')
    for (const title of ['Black Forest Labs', 'Runware', 'Vtrix']) await page.getByRole('checkbox', { name: title }).uncheck()
    await page.getByText('No provider is checked.').waitFor()
    await page.keyboard.press('Control+Enter')
    expect([await count(), complaints]).toEqual([1, []])
    await close()
  }, 90_000)
})
