import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Comparison } from '#contract'
import { launchGateway } from '../e2e/gateway.ts'
import { faultsOf, useAxe } from './axe.ts'
import { buildPagesOnce, hasChromium, openPage } from './browser.ts'

let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway()
}, 60_000)
afterAll(() => gateway.close())

/** What can be opened over a comparison: its name, the part of the page that it changes, how it is opened and how it is left. */
function statesOfResults(page: Page) {
  const dialog = page.getByRole('dialog')
  const pressed = (key: string) => async () => {
    await page.evaluate('document.activeElement.blur()')
    await page.keyboard.press(key)
  }
  const shown = (key: string, name: string) => async () => {
    await pressed(key)()
    await page.getByRole(name === '' ? 'dialog' : 'slider', name === '' ? {} : { name }).waitFor()
  }
  const action = async (name: string) => {
    const button = page.getByRole('button', { name })
    if (!(await button.isVisible())) await page.getByLabel('More of this comparison').click()
    await button.click()
  }
  const closed = async () => {
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
  }
  return [
    ['wipe', 'main', shown('w', 'Wipe between A and B'), pressed('s')],
    ['zoom', 'dialog', shown('z', ''), closed],
    ['keys', 'dialog', shown('?', ''), closed],
    ['copy as', 'dialog', () => action('Copy as'), closed],
    ['blind vote', 'main', () => action('Blind vote'), () => page.getByRole('button', { name: /^Choose A/ }).click()],
    [
      'chosen blind',
      'main',
      () => page.getByRole('table', { name: 'Chosen blind' }).waitFor(),
      async () => {
        await page.evaluate('localStorage.clear(); sessionStorage.clear()')
        await page.getByRole('button', { name: 'Leave blind vote' }).click()
      },
    ],
  ] as const
}

describe.skipIf(!hasChromium)('for everybody', () => {
  test('every page has no fault that axe finds, in both themes at 360 and 1440 pixels, and never scrolls sideways', async () => {
    const asked = { model: 'flux-2-pro', prompt: 'a fox', width: 512, height: 512 }
    const reply = await gateway.post('/v1/comparisons', asked, { prefer: 'wait=60' })
    const { id, generations } = (await reply.json()) as Comparison
    const compared = `/?c=${id}`
    const { page, complaints, close } = await openPage(gateway.url)
    const found: string[] = []
    const judge = async (what: string, width: number, within = 'html') => {
      const faults = await faultsOf(page, within)
      found.push(...faults.map((fault) => `${what} ${width} ${fault}`))
    }
    for (const path of ['/', compared, '/generations', `/generations/${generations[0]?.id}`, '/costs', '/providers']) {
      await page.setViewportSize({ width: 1440, height: 900 })
      await page.goto(`${gateway.url}${path}`)
      await page.locator('main[aria-busy=true], table[aria-busy=true]').first().waitFor({ state: 'detached' })
      await useAxe(page)
      for (const width of [1440, 360]) {
        await page.setViewportSize({ width, height: 800 })
        await judge(path, width)
        if (path !== compared) continue
        for (const [state, within, open, leave] of statesOfResults(page)) {
          await open()
          await judge(state, width, within)
          await leave()
        }
      }
    }
    expect([...found, ...complaints]).toEqual([])
    await close()
  }, 150_000)
})
