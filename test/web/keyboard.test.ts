import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchGateway } from '../e2e/gateway.ts'
import { buildPagesOnce, hasChromium, openPage, region } from './browser.ts'

let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway()
}, 60_000)
afterAll(() => gateway.close())

describe.skipIf(!hasChromium)('the keyboard', () => {
  test('alone reaches every page, asks, opens a row and closes a dialog with the focus given back', async () => {
    const { page, close } = await openPage(gateway.url)
    const focused = () => page.evaluate<string>('document.activeElement.id || document.activeElement.textContent')
    await page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('a fox by keyboard')
    expect(await focused()).toBe('prompt')
    await page.keyboard.press('Control+Enter')
    await region(page, 'Runware').getByText('Succeeded').waitFor()
    expect(await focused()).toBe('prompt')
    await page.evaluate('document.activeElement.blur()')
    await page.keyboard.press('?')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await page.keyboard.press('g')
    await page.keyboard.press('g')
    await page.getByRole('table', { name: 'Generations' }).getByRole('link', { name: 'a fox by keyboard' }).first().waitFor()
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.getByRole('list', { name: 'Story' }).waitFor()
    for (const [letter, heading] of [
      ['o', 'Costs'],
      ['p', 'Providers'],
      ['c', 'Compare'],
    ] as const) {
      await page.keyboard.press('g')
      await page.keyboard.press(letter)
      await page.getByRole('heading', { level: 1, name: heading }).waitFor({ state: 'attached' })
    }
    await close()
  }, 90_000)
})
