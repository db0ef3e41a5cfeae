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

/** What axe finds at this width, and by how much the page scrolls sideways. Only colours differ between the themes. */
async function faultsOf(page: Page): Promise<readonly string[]> {
  await page.emulateMedia({ colorScheme: 'light' })
  const light = await axe(page, '{ resultTypes: ["violations"] }')
  await page.emulateMedia({ colorScheme: 'dark' })
  const dark = await axe(page, '{ runOnly: ["color-contrast"], resultTypes: ["violations"] }')
  const over = await sideways(page)
  return [...light, ...dark.map((fault) => `dark: ${fault}`), ...(over > 0 ? [`scrolls sideways by ${over}`] : [])]
}

/** What can be opened over a comparison: its name, how it is opened and how it is left. */
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
    ['wipe', shown('w', 'Wipe between A and B'), pressed('s')],
    ['zoom', shown('z', ''), closed],
    ['keys', shown('?', ''), closed],
    ['copy as', () => action('Copy as'), closed],
    ['blind vote', () => action('Blind vote'), () => page.getByRole('button', { name: /^Choose A/ }).click()],
    [
      'chosen blind',
      () => page.getByRole('table', { name: 'Chosen blind' }).waitFor(),
      async () => {
        await page.evaluate('localStorage.clear(); sessionStorage.clear()')
        await page.getByRole('button', { name: 'Leave blind vote' }).click()
      },
    ],
  ] as const
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

  test('that is pressed before its prices are there says so, waits for them and goes; nothing starts at another price than was seen, above the stop, or for nobody', async () => {
    const count = async () => ((await (await gateway.ask('/v1/comparisons')).json()) as { data: unknown[] }).data.length
    const before = await count()
    let release = () => {}
    const prices = new Promise<void>((resolve) => {
      release = resolve
    })
    const { page, complaints, close } = await openPage(browser, gateway.url, {
      prepare: (blank) =>
        blank.route('**/v1/quotes', async (route) => {
          await prices
          await route.continue()
        }),
    })
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a fox in a hurry')
    await page.getByRole('button', { name: 'Compare', exact: true }).click()
    await page.getByText('It starts as soon as its prices are there.').waitFor()
    expect(await count()).toBe(before)
    release()
    for (const title of ['Runware', 'Vtrix']) await region(page, title).getByText('Succeeded').waitFor()
    expect(await count()).toBe(before + 1)
    // The request is changed, and started before its new price was seen.
    await page.evaluate('document.activeElement.blur()')
    await page.keyboard.press('e')
    await page.getByRole('textbox', { name: 'Width' }).fill('2048')
    await page.keyboard.press('Control+Enter')
    await page.getByText('Another price.').waitFor()
    expect(await page.locator('.quotes-note').textContent()).toMatch(/It was \$0\.0600, and is \$0\.\d+ as it stands now\. Compare again to agree\./)
    await page.getByRole('textbox', { name: 'Width' }).fill('1024')
    await page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
    await page.getByRole('textbox', { name: 'Stop above' }).fill('0.05')
    await page.getByText('Over your stop by $0.0100.').waitFor()
    await page.keyboard.press('Control+Enter')
    await page.getByRole('textbox', { name: 'Stop above' }).fill('')
    for (const title of ['Black Forest Labs', 'Runware', 'Vtrix']) await page.getByRole('checkbox', { name: title }).uncheck()
    await page.getByText('No provider is checked.').waitFor()
    await page.keyboard.press('Control+Enter')
    expect([await count(), complaints]).toEqual([before + 1, []])
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
    const compared = `/?c=${comparisons[0]?.id}`
    const { page, complaints, close } = await openPage(browser, gateway.url)
    const found: string[] = []
    const judge = async (what: string, width: number) => {
      const faults = await faultsOf(page)
      found.push(...faults.map((fault) => `${what} ${width} ${fault}`))
    }
    for (const path of ['/', compared, '/generations', `/generations/${data[0]?.id}`, '/costs', '/providers']) {
      await page.setViewportSize({ width: 1440, height: 900 })
      await page.goto(`${gateway.url}${path}`)
      await page.locator('main[aria-busy=true], table[aria-busy=true]').first().waitFor({ state: 'detached' })
      await page.evaluate(AXE)
      for (const width of [1440, 360]) {
        await page.setViewportSize({ width, height: 800 })
        await judge(path, width)
        if (path !== compared) continue
        for (const [state, open, leave] of statesOfResults(page)) {
          await open()
          await judge(state, width)
          await leave()
        }
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
