import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Comparison } from '#contract'
import { json, launchGateway } from '../e2e/gateway.ts'
import { buildPagesOnce, hasChromium, openPage, region } from './browser.ts'

let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway()
}, 60_000)
afterAll(() => gateway.close())

/** The last letter comes right after the address was changed, before the page is painted. */
const TYPES_ON = `const replace = history.replaceState
history.replaceState = function (...to) {
  replace.apply(this, to)
  if (!String(to[2]).endsWith('q=fo')) return
  setTimeout(() => {
    const box = document.querySelector('.search')
    box.value = 'fox'
    box.dispatchEvent(new InputEvent('input', { bubbles: true }))
  })
}`

describe.skipIf(!hasChromium)('the keyboard', { concurrent: true }, () => {
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

  test('loses no key, however fast one follows the one that opened its part of the page', async () => {
    const reply = await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'a fox' }, { prefer: 'wait=60' })
    const { page, complaints, close } = await openPage(`${gateway.url}/?c=${(await json<Comparison>(reply)).id}`)
    await region(page, 'Vtrix').getByText('Succeeded').waitFor()
    /** Each key as soon as the page has drawn what the one before it changed, and before any of it is painted. */
    const typed = (keys: string) =>
      page.evaluate(`(async () => {
        for (const key of '${keys}') {
          document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
          for (let turn = 0; turn < 20; turn++) await undefined
        }
      })()`)
    await typed('wx')
    await page.getByRole('table', { name: 'A and B' }).getByRole('row', { name: 'Provider Runware Black Forest Labs' }).waitFor()
    await typed('szm')
    await page.locator('dialog.zoom.grey').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await typed('?')
    await page.getByRole('dialog', { name: 'Keys' }).waitFor()
    expect(complaints).toEqual([])
    await close()
  }, 90_000)

  test('loses no letter of a search that is typed while the letters before it are put into the address', async () => {
    const { page, close } = await openPage(`${gateway.url}/generations`, { prepare: (blank) => blank.addInitScript(TYPES_ON) })
    const search = page.getByRole('searchbox')
    await search.fill('fo')
    await page.waitForURL(/q=fox$/)
    expect(await search.inputValue()).toBe('fox')
    await close()
  }, 90_000)

  test('picks, wipes, swaps, flips, zooms and folds a comparison; single letters can be switched off', async ({ expect }) => {
    const reply = await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'a fox' }, { prefer: 'wait=60' })
    const { id } = await json<Comparison>(reply)
    const { page, complaints, close } = await openPage(`${gateway.url}/?c=${id}`)
    const column = region(page, 'Vtrix')
    await column.getByText('Succeeded').waitFor()
    const press = (key: string) => page.keyboard.press(key)
    const seen = (role: 'button' | 'slider' | 'dialog' | 'textbox', name: string | RegExp) => page.getByRole(role, { name }).waitFor()
    await press('1')
    await seen('button', /^Favourite, /)
    await press('w')
    await seen('slider', 'Wipe between A and B')
    const provider = page.getByRole('table', { name: 'A and B' }).getByRole('row', { name: /^Provider/ })
    const before = ((await provider.textContent()) ?? '').replace('Provider', '')
    await press('x')
    await expect.poll(() => provider.textContent(), { timeout: 30_000 }).not.toBe(`Provider${before}`)
    const at = () => page.getByRole('slider', { name: 'Wipe between A and B' }).inputValue()
    await press(' ')
    expect(await at()).toBe('100')
    await press('ArrowLeft')
    expect(await at()).toBe('98')
    await page.getByRole('button', { name: 'Flip', exact: true }).click()
    const flips = page.getByRole('button', { name: /^Flip to / })
    const first = await flips.getAttribute('aria-label')
    await page.evaluate('document.activeElement.blur()')
    await press(' ')
    await expect.poll(() => flips.getAttribute('aria-label'), { timeout: 30_000 }).not.toBe(first)
    await press('s')
    await column.waitFor()
    await press('z')
    await seen('dialog', /^Zoom, /)
    await press('m')
    await page.locator('dialog.zoom.grey').waitFor()
    await press('2')
    await page.getByText('100 % · 2 of 3').waitFor()
    await press('Escape')
    await press('e')
    await seen('textbox', 'Width')
    await page.evaluate('document.activeElement.blur()')
    await press('?')
    await page.getByRole('checkbox', { name: 'Single letters work outside fields' }).uncheck()
    await press('Escape')
    await press('w')
    expect(await page.getByRole('slider', { name: 'Wipe between A and B' }).count()).toBe(0)
    expect(complaints).toEqual([])
    await close()
  }, 90_000)
})
