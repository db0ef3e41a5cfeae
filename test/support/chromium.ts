import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'

const { CHROMIUM: named = '' } = process.env

/** Where Debian and others put it; as `install-chromium.sh` finds it, `CHROMIUM=none` included. */
export const CHROMIUM =
  named === 'none'
    ? undefined
    : [named, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path))

if (CHROMIUM === undefined) console.warn('Chromium is not installed (apt-get install chromium): what people see in a browser is NOT tested')

/** One browser for all test files of a worker; it ends with the process. */
let shared: Promise<Browser> | null = null
export const sharedChromium = (): Promise<Browser> => (shared ??= launchChromium())

/** A gateway of loopback under a name that browsers do not take for their own machine: what they have on https alone is missing there. */
export const ANOTHER_HOST = 'gateway.test'

/** @param more that it keeps documents for Back, as it does for people and not for programs */
export const launchChromium = (more: { readonly keepsDocuments?: boolean } = {}): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM ?? '',
    ...(more.keepsDocuments ? { ignoreDefaultArgs: ['--disable-back-forward-cache'] } : {}),
    args: ['--no-sandbox', '--disable-dev-shm-usage', `--host-resolver-rules=MAP ${ANOTHER_HOST} 127.0.0.1`],
  })

export interface WatchedPage {
  readonly page: Page
  /** Each request of the page that did not go to this origin. */
  readonly foreign: readonly string[]
  /** What its Content-Security-Policy refused, errors of its scripts, and errors on its console. */
  faults(): Promise<readonly string[]>
}

const REMEMBER_REFUSALS = `globalThis.refusedByPolicy = []
document.addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI, sourceFile, lineNumber }) => {
  refusedByPolicy.push('policy: ' + effectiveDirective + ' ' + blockedURI + ' at ' + sourceFile + ':' + lineNumber)
})`

/** A page that remembers where its requests go and what went wrong. */
export async function watchedPage(browser: Browser, origin: string): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const page = await context.newPage()
  const foreign: string[] = []
  const faults: string[] = []
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(`${origin}/`) && !/^(?:data|blob):/.test(url)) foreign.push(`${request.method()} ${url}`)
  })
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()}`)
  })
  await page.addInitScript(REMEMBER_REFUSALS)
  return {
    page,
    foreign,
    async faults() {
      return [...faults, ...(await page.evaluate<string[]>('refusedByPolicy'))]
    },
  }
}
