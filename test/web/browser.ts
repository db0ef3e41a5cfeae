import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { BrowserContext, BrowserContextOptions, Page } from 'playwright-core'
import { CHROMIUM, sharedChromium } from '../support/chromium.ts'
import { filesBelow, ROOT } from '../support/source-tree.ts'

/** Whether the pages can be seen by a browser here. */
export const hasChromium = CHROMIUM !== undefined

/** Builds the pages where they are not built, or older than their source. */
export function buildPagesOnce(): void {
  const built = join(ROOT, 'dist/web/index.html')
  const newest = Math.max(...filesBelow(['src/web', 'src/client', 'src/contract']).map((path) => statSync(join(ROOT, path)).mtimeMs))
  if (existsSync(built) && statSync(built).mtimeMs > newest) return
  execFileSync(process.execPath, ['build/pages.ts'], { cwd: ROOT, stdio: 'inherit' })
}

export interface Screen {
  readonly width?: number
  readonly height?: number
  readonly theme?: 'light' | 'dark'
  /** The gateway key that this tab keeps. */
  readonly key?: string
  readonly motion?: 'reduce' | 'no-preference'
  /** A browser of its own settings, which has loaded nothing yet; else the page is one more of the worker's browser. */
  readonly fresh?: BrowserContextOptions
  /** One more tab of the browser that this page is in: they keep the same. */
  readonly beside?: Page
  /** Done before the page is opened. */
  readonly prepare?: (page: Page) => Promise<unknown>
}

/**
 * Browsers of the worker that nobody uses now: files that were loaded once are known there, as they are to somebody who comes back. Tests that
 * run at the same time have one each, so that none finds what another keeps.
 */
const idle: BrowserContext[] = []
const someContext = async (): Promise<BrowserContext> => idle.pop() ?? (await sharedChromium()).newContext()

/** The calendar of the run, in a page: it has no environment. */
const DAYS_LATER = process.env['TEST_DAYS_LATER']
const shiftedClock = (days: string): string => {
  const source = readFileSync(join(ROOT, 'test/support/shifted-clock.cjs'), 'utf8')
  return `((process) => {\n${source}\n})({ env: { TEST_DAYS_LATER: '${days}' } })`
}

/** A new page, and everything it complained about: errors, refusals of its policy, requests that left the gateway. What it kept for good is forgotten when it is closed. */
export async function openPage(url: string, screen: Screen = {}) {
  const { width = 1440, height = 900, theme = 'light', key, motion = 'reduce', fresh, beside, prepare } = screen
  const context = beside?.context() ?? (fresh === undefined ? await someContext() : await (await sharedChromium()).newContext(fresh))
  const page: Page = await context.newPage()
  // Each wait is for a state, and a busy machine is no fault of the page.
  page.setDefaultTimeout(60_000)
  await Promise.all([page.setViewportSize({ width, height }), page.emulateMedia({ colorScheme: theme, reducedMotion: motion })])
  if (DAYS_LATER !== undefined) await page.addInitScript(shiftedClock(DAYS_LATER))
  if (key !== undefined) await page.addInitScript(`sessionStorage.setItem('imagegate.key', '${key}')`)
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.stack ?? error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' && !NO_FAULT.test(message.text())) complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !/^(blob|data):/.test(request.url())) complaints.push(`asked ${request.url()}`)
  })
  await prepare?.(page)
  await page.goto(url, { waitUntil: 'domcontentloaded' })
  return {
    page,
    complaints,
    async close() {
      if (fresh !== undefined) return context.close()
      if (beside === undefined) await page.evaluate('localStorage.clear()').catch(() => undefined)
      await page.close()
      if (beside === undefined) idle.push(context)
    },
  }
}

/** What fails to load says so by its answer; over plain http a header that only https has is passed over. */
const NO_FAULT = /Failed to load resource|Cross-Origin-Opener-Policy header has been ignored/

export const region = (page: Page, name: string) => page.getByRole('region', { name, exact: true })

/**
 * Does something behind which an element says for a moment what fits `said`. That is heard in the page itself: a busy machine may ask too late from
 * outside.
 */
export async function says(page: Page, selector: string, said: RegExp, act: () => Promise<unknown>): Promise<void> {
  await page.evaluate(`{
    const element = document.querySelector('${selector}')
    window.heard = new Promise((hear) => {
      const observer = new MutationObserver(() => {
        if (!${said}.test(element.textContent)) return
        observer.disconnect()
        hear()
      })
      observer.observe(element, { subtree: true, childList: true, characterData: true })
    })
    undefined
  }`)
  await act()
  await page.evaluate('window.heard')
}

/** By how many pixels the page scrolls sideways. */
export const sideways = (page: Page): Promise<number> =>
  page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')
