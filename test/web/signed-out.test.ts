import { expect, onTestFinished, test } from 'vitest'
import { hashOfKey } from '../../src/http/access.ts'
import { startProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { launchChromium } from '../support/chromium.ts'
import { buildPagesOnce, hasChromium } from './browser.ts'

const SECRET = 'a-key-of-team-a-0123456789'
const PROMPT = 'what team a alone may see'

test.skipIf(!hasChromium)(
  'a page that the browser kept for Back shows nothing of a key that the tab no longer has, and asks nothing with it',
  async () => {
    buildPagesOnce()
    const vendors = await startVendors({ providers: ['bfl'] })
    const folder = vendors.folder(`keys: [{ name: team-a, key_hash: ${hashOfKey(SECRET)} }]\n`)
    onTestFinished(() => folder.remove())
    onTestFinished(() => vendors.close())
    const server = await startProcess(folder.environment)
    onTestFinished(async () => void (await server.kill('SIGKILL')))
    const bought = await fetch(`${server.url}/v1/generations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'bfl/flux-2-pro', prompt: PROMPT, width: 256, height: 256 }),
    })
    expect(bought.status).toBe(200)

    const browser = await launchChromium({ keepsDocuments: true })
    onTestFinished(() => browser.close())
    const page = await (await browser.newContext()).newPage()
    page.setDefaultTimeout(60_000)
    await page.addInitScript(
      "addEventListener('pageshow', ({ persisted }) => { if (persisted) sessionStorage.setItem('was kept', 'yes') })",
    )
    const asked: string[] = []
    await page.goto(`${server.url}/generations`)
    await page.getByLabel('Gateway key').fill(SECRET)
    await page.getByRole('button', { name: 'Open' }).click()
    await page.getByText(PROMPT).first().waitFor()
    await page.goto(`${server.url}/costs`)
    await page.getByRole('button', { name: 'Use another' }).click()
    await page.getByLabel('Gateway key').waitFor()

    page.on('request', (request) => asked.push(request.headers()['authorization'] ?? 'without a key'))
    // It is never loaded, since it was kept.
    await page.goBack({ waitUntil: 'commit' })
    await expect.poll(() => page.evaluate("sessionStorage.getItem('was kept')")).toBe('yes')
    await page.getByLabel('Gateway key').waitFor()
    expect(await page.evaluate('document.body.innerText')).not.toContain(PROMPT)
    expect(new Set(asked)).toEqual(new Set(['without a key']))
  },
  120_000,
)
