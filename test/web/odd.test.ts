import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Comparison, GatewayKeyWithSecret } from '#contract'
import { hashOfKey } from '../../src/http/access.ts'
import { json, launchGateway } from '../e2e/gateway.ts'
import { ANOTHER_HOST } from '../support/chromium.ts'
import { buildPagesOnce, hasChromium, openPage, region, sideways, says } from './browser.ts'

const BOSS = 'secret-of-the-boss'
const AS_BOSS = { authorization: `Bearer ${BOSS}` }
let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway({ config: `keys: [{ name: boss, key_hash: ${hashOfKey(BOSS)}, scope: admin }]\n` })
}, 60_000)
afterAll(() => gateway.close())

const open = (path: string, screen: Parameters<typeof openPage>[1] = {}) => openPage(`${gateway.url}${path}`, { key: BOSS, ...screen })
const compare = async (request: object, wait = 'wait=60'): Promise<Comparison> =>
  json(await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'a fox', ...request }, { ...AS_BOSS, prefer: wait }))

describe.skipIf(!hasChromium)('the pages', { concurrent: true }, () => {
  test('work on a phone that reaches the gateway over plain http: they compare, copy and say what was charged', async () => {
    const { page, complaints, close } = await openPage(gateway.url.replace('127.0.0.1', ANOTHER_HOST), {
      key: BOSS,
      width: 360,
      height: 780,
    })
    expect(await page.evaluate('isSecureContext')).toBe(false)
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse by phone')
    await page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
    await page.getByRole('button', { name: 'Compare', exact: true }).click()
    await region(page, 'Vtrix').getByText('$0.0285').waitFor()
    await page.getByLabel('More of this comparison').click()
    await page.getByRole('button', { name: 'Copy as' }).click()
    const dialog = page.getByRole('dialog')
    await says(page, 'dialog[open]', /Copied/, () => dialog.getByRole('button', { name: 'Copy', exact: true }).click())
    expect([await sideways(page), complaints]).toEqual([0, []])
    await close()
  }, 90_000)

  test('are a sentence and not a white page without JavaScript', async () => {
    const { page, close } = await openPage(gateway.url, { fresh: { javaScriptEnabled: false } })
    expect(await page.locator('body').innerText()).toMatch(/^These pages need JavaScript\./)
    await close()
  }, 60_000)

  test('show a prompt that is very long, without a space, and from right to left, whole where it is asked for, on every width and on paper', async () => {
    const prompt = `ثعلب أحمر ${'x'.repeat(2_900)} <b>end</b>`
    const { id, generations } = await compare({ prompt, providers: ['runware'], width: 512, height: 512 })
    const { page, complaints, close } = await open(`/generations/${generations[0]?.id}`, { width: 360 })
    const heading = page.getByRole('heading', { level: 1 })
    await heading.waitFor()
    expect(await page.evaluate(`getComputedStyle(document.querySelector('h1')).direction`)).toBe('rtl')
    expect(await heading.textContent()).not.toContain('<b>end</b>')
    await page.getByRole('button', { name: 'The whole prompt' }).click()
    expect(await heading.textContent()).toBe(prompt)
    const found: string[] = []
    for (const path of [`/generations/${generations[0]?.id}`, `/?c=${id}`, '/generations', '/']) {
      await page.goto(`${gateway.url}${path}`, { waitUntil: 'domcontentloaded' })
      await page.getByText(/^ثعلب/).or(page.locator('#prompt')).first().waitFor()
      // 720 is a window of 1440 at 200 %, 320 one of 1280 at 400 %.
      for (const width of [1440, 720, 320]) {
        await page.setViewportSize({ width, height: 600 })
        // What follows the width of the window is drawn anew a frame later.
        await vi
          .waitFor(async () => expect(await sideways(page)).toBe(0), { timeout: 30_000 })
          .catch(async () => found.push(`${path} at ${width}`))
      }
    }
    expect(found).toEqual([])
    await page.goto(`${gateway.url}/?c=${id}`, { waitUntil: 'domcontentloaded' })
    await region(page, 'Runware').getByText('Succeeded').waitFor()
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
    expect(
      await page.locator('.header nav, .request, .actions').evaluateAll((all) => all.filter((one) => one.checkVisibility()).length),
    ).toBe(0)
    expect(await region(page, 'Runware').isVisible()).toBe(true)
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)')
    expect(complaints).toEqual([])
    await close()
  }, 90_000)

  test('offer commands to copy without a control character or a turned direction, whatever stands in the prompt', async () => {
    const prompt = "a fox'\u007f\u007f\u009b2J\u202e; true\u2066\u2028 end"
    const { generations } = await compare({ prompt, providers: ['runware'], width: 512, height: 512 })
    const { page, complaints, close } = await open(`/generations/${generations[0]?.id}`)
    await page.getByRole('button', { name: 'Copy as' }).click()
    for (const language of ['curl', 'TypeScript', 'Python']) {
      await page.getByRole('tab', { name: language }).click()
      const text = (await page.getByRole('tabpanel').textContent()) ?? ''
      expect(text).not.toMatch(/(?!\n)[\p{Cc}\u2028\u202a-\u202e\u2066-\u2069]/u)
      expect(text.replaceAll("'\\''", "'")).toContain(String.raw`fox'\u007f\u007f\u009b2J\u202e; true\u2066\u2028 end`)
    }
    expect(complaints).toEqual([])
    await close()
  }, 90_000)

  test('go back and forward with what stood there, are loaded anew in the middle of a comparison, and two tabs lose nothing of one another', async () => {
    const first = await compare({ prompt: 'the first one' })
    const second = await compare({ prompt: 'sandbox:never the second one', providers: ['bfl'] }, 'wait=0')
    const { page, complaints, close } = await open(`/?c=${first.id}`)
    const prompt = () => page.getByRole('textbox', { name: 'Prompt' }).inputValue()
    await region(page, 'Runware').getByRole('button', { name: 'Pick, Runware' }).waitFor()
    await page.getByRole('link', { name: 'Costs' }).click()
    await page.getByRole('table', { name: 'Costs', exact: true }).waitFor()
    await page.goBack()
    await region(page, 'Vtrix').getByText('Succeeded').waitFor()
    expect(await prompt()).toBe('the first one')
    await page.goForward()
    await page.getByRole('table', { name: 'Costs', exact: true }).waitFor()
    await page.goBack()
    const other = await open(`/?c=${second.id}`, { beside: page })
    await region(other.page, 'Black Forest Labs').getByText('Running', { exact: true }).first().waitFor()
    await other.page.reload()
    await region(other.page, 'Black Forest Labs').getByText('Running', { exact: true }).first().waitFor()
    await other.page.getByRole('button', { name: 'Cancel, Black Forest Labs' }).click()
    await region(other.page, 'Black Forest Labs').getByText('Canceled').first().waitFor()
    // Each tab picks; neither writes over what the other has kept.
    await region(page, 'Runware').getByRole('button', { name: 'Pick, Runware' }).click()
    await other.page.goto(`${gateway.url}/?c=${first.id}`)
    await region(other.page, 'Runware').getByRole('button', { name: 'Favourite, Runware' }).waitFor()
    expect([complaints, other.complaints]).toEqual([[], []])
    await other.close()
    await close()
  }, 90_000)

  test('ask for another key when theirs counts no more, and what was typed is still there', async () => {
    const made = await json<GatewayKeyWithSecret>(await gateway.post('/v1/keys', { name: 'for-an-hour' }, AS_BOSS))
    const { page, close } = await openPage(gateway.url, { key: made.secret })
    await page.getByRole('textbox', { name: 'Prompt' }).fill('typed before the key ended')
    await page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
    await gateway.ask('/v1/keys/for-an-hour', { method: 'DELETE', headers: AS_BOSS })
    await page.keyboard.press('Control+Enter')
    await page.getByText('This key is not known here. It is wrong, expired or revoked.').waitFor()
    await page.getByLabel('Gateway key').fill(BOSS)
    await page.keyboard.press('Enter')
    await page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
    expect(await page.getByRole('textbox', { name: 'Prompt' }).inputValue()).toBe('typed before the key ended')
    await page.getByRole('link', { name: 'Costs' }).click()
    await page.getByRole('button', { name: 'Use another' }).waitFor()
    await close()
  }, 90_000)
})
