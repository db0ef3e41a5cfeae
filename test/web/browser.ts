import { execFileSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import { filesBelow, ROOT } from '../support/source-tree.ts'

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'

/** Whether the pages can be seen by a browser here; where they cannot, the tests say so and are passed over. */
export const hasChromium = existsSync(CHROMIUM)
if (!hasChromium)
  process.stderr.write(`NO TEST OF THE PAGES: there is no ${CHROMIUM}; install Debian's package chromium, or set CHROMIUM.\n`)

/** Builds the pages where they are not built, or older than their source. */
export function buildPagesOnce(): void {
  const built = join(ROOT, 'dist/web/index.html')
  const newest = Math.max(...filesBelow(['src/web']).map((path) => statSync(join(ROOT, path)).mtimeMs))
  if (existsSync(built) && statSync(built).mtimeMs > newest) return
  execFileSync(process.execPath, ['build/pages.ts'], { cwd: ROOT, stdio: 'inherit' })
}

export const launchBrowser = (): Promise<Browser> => chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })

export interface Screen {
  readonly width?: number
  readonly height?: number
  readonly theme?: 'light' | 'dark'
}

/** A fresh page, and everything it complained about: errors, refusals of its policy, requests that left the gateway. */
export async function openPage(browser: Browser, url: string, { width = 1440, height = 900, theme = 'light' }: Screen = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: 'reduce' })
  const page: Page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('Failed to load resource')) complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !/^(blob|data):/.test(request.url())) complaints.push(`asked ${request.url()}`)
  })
  await page.goto(url)
  return { page, complaints, close: () => context.close() }
}
