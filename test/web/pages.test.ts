import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CostReport } from '#contract'
import { hashOfKey } from '../../src/http/access.ts'
import { launchGateway } from '../e2e/gateway.ts'
import { sharedChromium } from '../support/chromium.ts'
import { buildPagesOnce, hasChromium, openPage, region, sideways } from './browser.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const HOSTILE = '<img src=x onerror="document.title=1"> & "a fox" sandbox:moderated@bfl'

let gateway: Awaited<ReturnType<typeof launchGateway>>
let browser: Browser
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway()
  if (hasChromium) browser = await sharedChromium()
}, 60_000)
afterAll(() => gateway.close())

interface Fault {
  readonly id: string
  readonly nodes: readonly { readonly target: readonly string[] }[]
}

async function axe(page: Page, options: string): Promise<readonly string[]> {
  const faults = await page.evaluate<Fault[]>(`axe.run(document, ${options}).then(({ violations }) => violations)`)
  return faults.map(
    ({ id, nodes }) =>
      `${id}: ${nodes
        .slice(0, 3)
        .map(({ target }) => target.join(' '))
        .join(', ')}`,
  )
}

describe('the shell', () => {
  test('is open at every page, under a policy without inline scripts, and its files are kept for good', async () => {
    for (const path of ['/', '/generations', '/generations/gen_1', '/costs', '/providers']) {
      const reply = await gateway.ask(path)
      expect([reply.status, reply.headers.get('cache-control'), reply.headers.get('content-type')]).toEqual([
        200,
        'no-cache',
        'text/html; charset=utf-8',
      ])
      expect(reply.headers.get('content-security-policy')).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; font-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      )
    }
    const html = await (await gateway.ask('/')).text()
    const files = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path = '']) => path)
    const kept = await Promise.all(files.map(async (path) => (await gateway.ask(path)).headers.get('cache-control')))
    expect(kept).toEqual(files.map(() => 'public, max-age=31536000, immutable'))
    expect((await gateway.ask('/favicon.ico')).headers.get('content-type')).toBe('image/svg+xml')
    expect((await gateway.ask('/assets/nothing.js')).status).toBe(404)
    const bytes = await Promise.all(
      files.map(async (path) => gzipSync(new Uint8Array(await (await gateway.ask(path)).arrayBuffer())).length),
    )
    const total = bytes.reduce((sum, one) => sum + one, 0)
    process.stdout.write(`Compare: ${total} bytes of JavaScript and CSS, gzip\n`)
    expect(total).toBeLessThan(70_000)
  })
})

describe.skipIf(!hasChromium)('Compare', () => {
  test('asks three providers, one moderated, and shows what each charged; a hostile prompt stays text', async () => {
    const { page, complaints, close } = await openPage(browser, gateway.url)
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
    const again = await openPage(browser, page.url(), { width: 360, height: 700, theme: 'dark' })
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

  test('starts nothing above the stop, and says by how much it is over', async () => {
    const before = (await (await gateway.ask('/v1/comparisons')).json()) as { data: unknown[] }
    const { page, close } = await openPage(browser, gateway.url)
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a fox')
    await page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
    await page.getByRole('textbox', { name: 'Stop above' }).fill('0.05')
    await page.getByText('Over your stop by $0.0100.').waitFor()
    await page.keyboard.press('Control+Enter')
    const after = (await (await gateway.ask('/v1/comparisons')).json()) as { data: unknown[] }
    expect(after.data.length).toBe(before.data.length)
    await close()
  }, 90_000)
})

describe.skipIf(!hasChromium)('the other pages', () => {
  test('Costs shows what the API says, to the digit', async () => {
    const report = (await (await gateway.ask('/v1/costs?group_by=provider')).json()) as CostReport
    const { page, close } = await openPage(browser, `${gateway.url}/costs`)
    const row = page.getByRole('table', { name: 'Costs', exact: true }).getByRole('row', { name: /Runware/ })
    const spend = report.groups.find(({ group }) => group['provider'] === 'runware')?.spend ?? ''
    await row.waitFor()
    expect((await row.textContent())?.includes(`$${Number(spend).toFixed(4)}`)).toBe(true)
    expect(await page.getByRole('table', { name: 'What it would have cost' }).getByRole('row').count()).toBe(report.what_if.length + 1)
    await close()
  }, 90_000)

  test('every page has no fault that axe finds, in both themes at 360 and 1440 pixels, and never scrolls sideways', async () => {
    const { data } = (await (await gateway.ask('/v1/generations?limit=1')).json()) as { data: { id: string }[] }
    const { data: comparisons } = (await (await gateway.ask('/v1/comparisons?limit=1')).json()) as { data: { id: string }[] }
    const { page, complaints, close } = await openPage(browser, gateway.url)
    const found: string[] = []
    for (const path of ['/', `/?c=${comparisons[0]?.id}`, '/generations', `/generations/${data[0]?.id}`, '/costs', '/providers']) {
      await page.setViewportSize({ width: 1440, height: 900 })
      await page.goto(`${gateway.url}${path}`)
      await page.locator('main[aria-busy=true], table[aria-busy=true]').first().waitFor({ state: 'detached' })
      await page.evaluate(AXE)
      for (const width of [1440, 360]) {
        await page.setViewportSize({ width, height: 800 })
        for (const theme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme: theme })
          // Only colours differ between the themes.
          const faults = await axe(
            page,
            theme === 'light' ? '{ resultTypes: ["violations"] }' : '{ runOnly: ["color-contrast"], resultTypes: ["violations"] }',
          )
          found.push(...faults.map((fault) => `${path} ${width} ${theme}: ${fault}`))
        }
        const over = await sideways(page)
        if (over > 0) found.push(`${path} ${width}: scrolls sideways by ${over}`)
      }
    }
    expect([...found, ...complaints]).toEqual([])
    await close()
  }, 150_000)

  test('a gateway key is asked for where keys are on; a wrong one is refused, each key sees its own, and one of scope read buys nothing', async () => {
    const secrets = { a: 'secret-of-team-a-1', b: 'secret-of-team-b-1' }
    const key = (name: 'a' | 'b', scope: string) => `  - { name: ${name}, key_hash: ${hashOfKey(secrets[name])}, scope: ${scope} }`
    const locked = await launchGateway({ config: `keys:\n${key('a', 'write')}\n${key('b', 'read')}\n` })
    await locked.generate({ prompt: 'only of team a' }, { authorization: `Bearer ${secrets.a}` })
    const { page, close } = await openPage(browser, `${locked.url}/generations`)
    const open = async (secret: string) => {
      await page.getByLabel('Gateway key').fill(secret)
      await page.getByRole('button', { name: 'Open' }).click()
    }
    await open('nobody knows this one')
    await page.getByText('This key is not known here.').waitFor()
    await open(secrets.a)
    await page.getByRole('table', { name: 'Generations' }).getByRole('link', { name: 'only of team a' }).waitFor()
    const other = await openPage(browser, `${locked.url}/generations`)
    await other.page.getByLabel('Gateway key').fill(secrets.b)
    await other.page.getByRole('button', { name: 'Open' }).click()
    await other.page.getByText('No generations yet').waitFor()
    await other.page.getByRole('link', { name: 'Compare' }).first().click()
    await other.page.getByRole('textbox', { name: 'Prompt' }).fill('a fox')
    await other.page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
    await other.page.keyboard.press('Control+Enter')
    await other.page.getByText('This key may only read.').waitFor()
    await other.close()
    await close()
    await locked.close()
  }, 90_000)
})
