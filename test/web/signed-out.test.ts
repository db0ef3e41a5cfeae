import { expect, onTestFinished, test } from 'vitest'
import { hashOfKey } from '../../src/http/access.ts'
import { startProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { launchChromium } from '../support/chromium.ts'
import { buildPagesOnce, hasChromium } from './browser.ts'

const SECRET = 'a-key-of-team-a-0123456789'
const OTHER = 'a-key-of-team-b-0123456789'
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
    // Chromium calls the navigation to what it has kept aborted, now and then.
    await page.goBack({ waitUntil: 'commit' }).catch(() => null)
    await expect.poll(() => page.evaluate("sessionStorage.getItem('was kept')")).toBe('yes')
    await page.getByLabel('Gateway key').waitFor()
    expect(await page.evaluate('document.body.innerText')).not.toContain(PROMPT)
    expect(new Set(asked)).toEqual(new Set(['without a key']))
  },
  120_000,
)

test.skipIf(!hasChromium)(
  'a form shows nothing that was typed with a key, or sent with it before, once somebody has asked for another one',
  async () => {
    buildPagesOnce()
    const vendors = await startVendors({ providers: ['bfl'] })
    const keys = [SECRET, OTHER].map((secret, index) => `{ name: team-${index}, key_hash: ${hashOfKey(secret)} }`)
    const folder = vendors.folder(`keys: [${keys.join(', ')}]\n`)
    onTestFinished(() => folder.remove())
    onTestFinished(() => vendors.close())
    const server = await startProcess(folder.environment)
    onTestFinished(async () => void (await server.kill('SIGKILL')))
    const compared = await fetch(`${server.url}/v1/comparisons`, {
      method: 'POST',
      headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'flux-2-pro', prompt: PROMPT, width: 256, height: 256, metadata: { client: 'of-team-a' } }),
    })
    const { id } = (await compared.json()) as { readonly id: string }

    const browser = await launchChromium()
    onTestFinished(() => browser.close())
    const page = await (await browser.newContext()).newPage()
    page.setDefaultTimeout(60_000)
    const open = async (secret: string) => {
      await page.getByLabel('Gateway key').fill(secret)
      await page.getByRole('button', { name: 'Open' }).click()
    }
    const prompt = page.getByRole('textbox', { name: 'Prompt' })
    const keptOfKey = () => page.evaluate<string>('JSON.stringify(sessionStorage)')
    await page.goto(`${server.url}/?c=${id}`)
    await open(SECRET)
    await expect.poll(() => prompt.inputValue()).toBe(PROMPT)
    await page.getByRole('link', { name: 'Costs' }).first().click()
    await page.getByRole('button', { name: 'Use another' }).click()
    expect(await keptOfKey()).not.toMatch(/team a|of-team-a/)
    await open(OTHER)
    await page.getByRole('link', { name: 'Compare' }).first().click()
    await prompt.waitFor()
    expect(await prompt.inputValue()).toBe('')
  },
  120_000,
)
