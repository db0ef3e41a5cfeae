import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashOfKey } from '../../src/http/access.ts'
import { launchGateway } from '../e2e/gateway.ts'
import { buildPagesOnce, hasChromium, openPage } from './browser.ts'

let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway()
}, 60_000)
afterAll(() => gateway.close())

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
    const texts = await Promise.all(files.map(async (path) => (await gateway.ask(path)).text()))
    // What is measured is what everybody gets: a build for development names its source files.
    expect(texts.filter((text) => text.includes('.tsx'))).toEqual([])
    const total = texts.reduce((sum, text) => sum + gzipSync(text).length, 0)
    process.stdout.write(`Compare: ${total} bytes of JavaScript and CSS, gzip\n`)
    expect(total).toBeLessThan(70_000)
  })
})

/** Half of the second that a first paint may take: what loads the files has the rest. */
const PAINT_CPU_MS = 500

describe.skipIf(!hasChromium)('the first paint', { concurrent: true }, () => {
  test('comes with the frame of the page, before any data, and costs less than half a second of the page’s thread', async () => {
    let cpuMs = async () => Number.NaN
    const { page, complaints, close } = await openPage(gateway.url, {
      fresh: {},
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

describe.skipIf(!hasChromium)('a gateway with keys', { concurrent: true }, () => {
  test('a gateway key is asked for where keys are on; a wrong one is refused, each key sees its own, and one of scope read buys nothing', async () => {
    const secrets = { a: 'secret-of-team-a-1', b: 'secret-of-team-b-1' }
    const key = (name: 'a' | 'b', scope: string) => `  - { name: ${name}, key_hash: ${hashOfKey(secrets[name])}, scope: ${scope} }`
    const locked = await launchGateway({ config: `keys:\n${key('a', 'write')}\n${key('b', 'read')}\n` })
    await locked.generate({ prompt: 'only of team a' }, { authorization: `Bearer ${secrets.a}` })
    const { page, close } = await openPage(`${locked.url}/generations`)
    const open = async (secret: string) => {
      await page.getByLabel('Gateway key').fill(secret)
      await page.getByRole('button', { name: 'Open' }).click()
    }
    await open('nobody knows this one')
    await page.getByText('This key is not known here.').waitFor()
    await open(secrets.a)
    await page.getByRole('table', { name: 'Generations' }).getByRole('link', { name: 'only of team a' }).waitFor()
    const other = await openPage(`${locked.url}/generations`)
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
