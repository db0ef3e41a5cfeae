import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Comparison, CostReport } from '#contract'
import { hashOfKey } from '../../src/http/access.ts'
import { dayText } from '../../src/web/format/facts.ts'
import { usdText } from '../../src/web/format/usd.ts'
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

async function axe(page: Page, within: string, options: string): Promise<readonly string[]> {
  const faults = await page.evaluate<Fault[]>(`axe.run('${within}', ${options}).then(({ violations }) => violations)`)
  return faults.map(
    ({ id, nodes }) =>
      `${id}: ${nodes
        .slice(0, 3)
        .map(({ target }) => target.join(' '))
        .join(', ')}`,
  )
}

/** What axe finds at this width, and by how much the page scrolls sideways. Only colours differ between the themes. */
async function faultsOf(page: Page, within: string): Promise<readonly string[]> {
  await page.emulateMedia({ colorScheme: 'light' })
  const light = await axe(page, within, '{ resultTypes: ["violations"] }')
  await page.emulateMedia({ colorScheme: 'dark' })
  const dark = await axe(page, within, '{ runOnly: ["color-contrast"], resultTypes: ["violations"] }')
  const over = await sideways(page)
  return [...light, ...dark.map((fault) => `dark: ${fault}`), ...(over > 0 ? [`scrolls sideways by ${over}`] : [])]
}

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

const isByDay = (url: URL): boolean => url.pathname === '/v1/costs' && url.search.includes('day')

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

/** Half of the second that a first paint may take: what loads the files has the rest. */
const PAINT_CPU_MS = 500

describe.skipIf(!hasChromium)('the first paint', () => {
  test('comes with the frame of the page, before any data, and costs less than half a second of the page’s thread', async () => {
    let cpuMs = async () => Number.NaN
    const { page, complaints, close } = await openPage(browser, gateway.url, {
      async prepare(blank) {
        await blank.route('**/v1/**', () => {})
        const devtools = await blank.context().newCDPSession(blank)
        // The processor's time of the page's own thread: what else the machine does is not in it.
        await devtools.send('Performance.enable', { timeDomain: 'threadTicks' })
        cpuMs = async () => {
          const { metrics } = await devtools.send('Performance.getMetrics')
          return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN) * 1_000
        }
      },
    })
    const paintMs = await page.evaluate<number>(
      `new Promise((done) => new PerformanceObserver((list) => list.getEntriesByName('first-contentful-paint').forEach(({ startTime }) => done(startTime))).observe({ type: 'paint', buffered: true }))`,
    )
    const spent = await cpuMs()
    process.stdout.write(`first paint: after ${Math.round(paintMs)} ms, ${Math.round(spent)} ms of them at work\n`)
    for (const name of ['Compare', 'Generations', 'Costs', 'Providers'])
      expect(await page.getByRole('link', { name }).isVisible()).toBe(true)
    expect(await page.getByRole('textbox', { name: 'Prompt' }).isVisible()).toBe(true)
    expect(spent).toBeLessThan(PAINT_CPU_MS)
    expect(complaints).toEqual([])
    await close()
  }, 90_000)
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
    expect(await page.locator('.quotes-note').textContent()).toMatch(
      /It was \$0\.0600, and is \$0\.\d+ as it stands now\. Compare again to agree\./,
    )
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
  test('Costs shows what the API says, in its tables and of each day, to the digit', async () => {
    const report = (await (await gateway.ask('/v1/costs?group_by=provider')).json()) as CostReport
    let days: CostReport['groups'] = []
    const { page, close } = await openPage(browser, `${gateway.url}/costs?days=30`, {
      prepare: (blank) =>
        blank.route(isByDay, async (route) => {
          const real = (await (await route.fetch()).json()) as CostReport
          days = withEarlierDays(real.groups)
          await route.fulfill({ json: { ...real, groups: days } })
        }),
    })
    const row = page.getByRole('table', { name: 'Costs', exact: true }).getByRole('row', { name: /Runware/ })
    const spend = report.groups.find(({ group }) => group['provider'] === 'runware')?.spend ?? ''
    await row.waitFor()
    expect((await row.textContent())?.includes(`$${Number(spend).toFixed(4)}`)).toBe(true)
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
      expect(await page.locator('.day-facts').textContent()).toContain(`All${usdText(sumOf(of))}`)
    }
    expect(shown.filter((one) => one.includes('others')).length).toBe(20)
    expect(await page.getByRole('table', { name: 'What it would have cost' }).getByRole('row').count()).toBe(report.what_if.length + 1)
    await close()
  }, 90_000)

  test('every page has no fault that axe finds, in both themes at 360 and 1440 pixels, and never scrolls sideways', async () => {
    const asked = { model: 'flux-2-pro', prompt: 'a fox', width: 512, height: 512 }
    const reply = await gateway.post('/v1/comparisons', asked, { prefer: 'wait=20' })
    const { id, generations } = (await reply.json()) as Comparison
    const compared = `/?c=${id}`
    const { page, complaints, close } = await openPage(browser, gateway.url)
    const found: string[] = []
    const judge = async (what: string, width: number, within = 'html') => {
      const faults = await faultsOf(page, within)
      found.push(...faults.map((fault) => `${what} ${width} ${fault}`))
    }
    for (const path of ['/', compared, '/generations', `/generations/${generations[0]?.id}`, '/costs', '/providers']) {
      await page.setViewportSize({ width: 1440, height: 900 })
      await page.goto(`${gateway.url}${path}`)
      await page.locator('main[aria-busy=true], table[aria-busy=true]').first().waitFor({ state: 'detached' })
      await page.evaluate(AXE)
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
