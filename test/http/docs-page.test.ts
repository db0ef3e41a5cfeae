import { createHash } from 'node:crypto'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchProcess } from '../e2e/gateway-process.ts'
import type { Gateway } from '../e2e/gateway.ts'
import { faultsOf, useAxe } from '../web/axe.ts'
import { CHROMIUM, launchChromium, watchedPage } from '../support/chromium.ts'
import { mended } from './docs-groups.ts'

/** Links of the header that do not end within the window. */
const PAGES_CUT_OFF = `[...document.querySelectorAll('.pages-header a')]
  .filter((link) => link.getBoundingClientRect().right > innerWidth).map((link) => link.textContent)`

/** Words of the box of authentication that are cut off. */
const AUTHENTICATION_CUT_OFF = `[...document.querySelectorAll('button:has([data-testid=auth-indicator])')]
  .filter((button) => button.scrollWidth > button.clientWidth).map((button) => button.textContent)`

const SECRET = 'a-secret-of-team-a-1234'
let keyed: Gateway
beforeAll(async () => {
  keyed = await launchProcess({ config: `keys: [{ name: team-a, key_hash: ${createHash('sha256').update(SECRET).digest('hex')} }]\n` })
})
afterAll(() => keyed.close())

test('/docs allows scripts of this origin alone, no inline ones, and no request elsewhere', async () => {
  const reply = await keyed.ask('/docs')
  const policy = reply.headers.get('content-security-policy') ?? ''
  const html = await reply.text()
  const nonce = /'nonce-([^']+)'/.exec(policy)?.[1] ?? ''
  expect(policy.replace(nonce, 'N')).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-N'; img-src 'self' blob: data:; connect-src 'self'; font-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  )
  expect(html).toContain(nonce)
  expect(html).not.toMatch(/<script>|<style|https?:\/\//)
  expect((await keyed.ask('/docs')).headers.get('content-security-policy')).not.toBe(policy)
})

describe.skipIf(CHROMIUM === undefined)('/docs in a browser', { timeout: 120_000 }, () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(() => browser.close())

  test('shows the API and sends an example that works with the key typed in; nothing leaves the origin and no policy is violated; it has the header and the theme of the pages', async () => {
    const { page, foreign, faults } = await watchedPage(browser, keyed.url)
    page.setDefaultTimeout(60_000)
    await page.goto(`${keyed.url}/docs`)
    await page.getByPlaceholder('Token').first().fill(SECRET)
    await page.getByRole('button', { name: 'Open Group - money' }).click()
    await page.getByRole('link', { name: 'What each offer would charge' }).click()
    await page.getByRole('button', { name: /Test Request.*\/v1\/quotes/s }).click()
    await page.getByRole('button', { name: 'Send post request' }).click()
    await page.getByRole('link', { name: '200 OK' }).waitFor()
    expect(await page.getByText('Ask AI').count()).toBe(0)
    expect([foreign, await faults()]).toEqual([[], []])
    expect(await page.evaluate("getComputedStyle(document.querySelector('.scalar-app')).fontFamily")).toMatch(/^system-ui/)
    // The theme that was chosen on the pages, and their header.
    await page.evaluate("localStorage.setItem('imagegate.theme', 'dark')")
    await page.reload()
    await page.locator('body.dark-mode').waitFor()
    expect(await page.evaluate("getComputedStyle(document.querySelector('.pages-header')).backgroundColor")).toBe('rgb(18, 18, 18)')
    // Read before the page of costs is there: it asks without a key, and the browser notes the refusal.
    expect([foreign, await faults()]).toEqual([[], []])
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Costs' }).click()
    await page.waitForURL('**/costs')
    expect(foreign).toEqual([])
  })

  test('has no fault that axe finds, in both themes at 360 and 1440 pixels, and follows a theme that is chosen later, here or in another tab', async () => {
    const { page, faults: refusals } = await watchedPage(browser, keyed.url)
    page.setDefaultTimeout(60_000)
    await page.emulateMedia({ colorScheme: 'light' })
    await page.goto(`${keyed.url}/docs`)
    await page.locator('body.light-mode').waitFor()
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.locator('body.dark-mode').waitFor()
    const tab = await page.context().newPage()
    await tab.goto(`${keyed.url}/healthz`)
    await tab.evaluate("localStorage.setItem('imagegate.theme', 'light')")
    await page.locator('body.light-mode').waitFor()
    await tab.evaluate("localStorage.removeItem('imagegate.theme')")
    await page.locator('body.dark-mode').waitFor()
    await page
      .getByRole('button', { name: /^Open Group/ })
      .first()
      .waitFor()
    await useAxe(page)
    for (const width of [1440, 360]) {
      await page.setViewportSize({ width, height: 900 })
      await mended(page)
      expect([width, await page.evaluate(PAGES_CUT_OFF)]).toEqual([width, []])
      expect([width, await page.evaluate(AUTHENTICATION_CUT_OFF)]).toEqual([width, []])
      expect([width, await faultsOf(page, 'body', { colours: width === 360 })]).toEqual([width, []])
    }
    expect(await refusals()).toEqual([])
  })
})
