import { execFileSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { CHROMIUM } from '../support/chromium.ts'
import { filesBelow, ROOT } from '../support/source-tree.ts'

/** Whether the pages can be seen by a browser here. */
export const hasChromium = CHROMIUM !== undefined

/** Builds the pages where they are not built, or older than their source. */
export function buildPagesOnce(): void {
  const built = join(ROOT, 'dist/web/index.html')
  const newest = Math.max(...filesBelow(['src/web']).map((path) => statSync(join(ROOT, path)).mtimeMs))
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
  /** Done before the page is opened. */
  readonly prepare?: (page: Page) => Promise<unknown>
}

/** A fresh page, and everything it complained about: errors, refusals of its policy, requests that left the gateway. */
export async function openPage(browser: Browser, url: string, screen: Screen = {}) {
  const { width = 1440, height = 900, theme = 'light', key, motion = 'reduce', prepare } = screen
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: motion })
  // Each wait is for a state, and a busy machine is no fault of the page.
  context.setDefaultTimeout(60_000)
  if (key !== undefined) await context.addInitScript(`sessionStorage.setItem('imagegate.key', '${key}')`)
  const page: Page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('Failed to load resource')) complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !/^(blob|data):/.test(request.url())) complaints.push(`asked ${request.url()}`)
  })
  await prepare?.(page)
  await page.goto(url)
  return { page, complaints, close: () => context.close() }
}

export const region = (page: Page, name: string) => page.getByRole('region', { name, exact: true })

/** By how many pixels the page scrolls sideways. */
export const sideways = (page: Page): Promise<number> =>
  page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth')
