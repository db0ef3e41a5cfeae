import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Comparison, Generation, GenerationRequest } from '#contract'
import { json, launchGateway } from '../e2e/gateway.ts'
import { buildPagesOnce, hasChromium, openPage } from './browser.ts'

const PATIENCE_MS = 120_000
let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway({ providers: ['bfl', 'openai', 'runware'] })
}, 60_000)
afterAll(() => gateway.close())

/** The form, and the requests whose prices it asked for. */
async function openForm(model: string, provider: string) {
  const asked: GenerationRequest[] = []
  const prepare = async (page: Page) =>
    page.on('request', (request) => {
      if (request.url().endsWith('/v1/quotes')) asked.push(request.postDataJSON() as GenerationRequest)
    })
  const opened = await openPage(gateway.url, { prepare })
  await opened.page.getByRole('combobox', { name: 'Model' }).selectOption(model)
  // The rows of the model that stood there before are gone once its own are there.
  await opened.page.getByRole('table', { name: 'Quotes' }).getByRole('checkbox', { name: provider }).waitFor()
  return { ...opened, last: () => asked.at(-1) }
}

/** Chooses as soon as the list is in the page, before the next frame. */
const CHOOSE_AT_ONCE = `
  new MutationObserver((_, observer) => {
    const models = document.querySelector('select#model')
    if (!models?.querySelector('option[value="gpt-image-2"]')) return
    observer.disconnect()
    models.value = 'gpt-image-2'
    models.dispatchEvent(new Event('change', { bubbles: true }))
    window.hasChosen = true
  }).observe(document, { subtree: true, childList: true })`

describe.skipIf(!hasChromium)('the fields of the form', { concurrent: true }, () => {
  test(
    'ask again for what a comparison or a generation asked for: a shape and megapixels without a width, metadata with commas, the highest price',
    async ({ expect }) => {
      const asked = {
        model: 'flux-2-pro',
        prompt: 'a wide fox',
        aspect_ratio: '16:9',
        megapixels: 2,
        metadata: { note: 'a, b=c', team: 'shop' },
      }
      const body = { ...asked, providers: ['bfl', 'runware'] }
      const { id } = await json<Comparison>(await gateway.post('/v1/comparisons', body, { prefer: 'wait=60' }))
      const one = await json<Generation>(await gateway.post('/v1/generations', { ...asked, provider: { max_price_usd: '0.2' } }))
      const sent: unknown[] = []
      const prepare = async (page: Page) =>
        page.on('request', (request) => {
          if (/(comparisons|generations|quotes)$/.test(request.url()) && request.method() === 'POST') sent.push(request.postDataJSON())
        })
      const { page, complaints, close } = await openPage(`${gateway.url}/?c=${id}`, { prepare })
      await page.getByRole('button', { name: '16:9 · 2 MP' }).waitFor()
      await expect.poll(() => sent.at(-1), { timeout: 30_000 }).toEqual(asked)
      await page.getByRole('button', { name: 'Compare', exact: true }).first().click()
      await expect.poll(() => sent.at(-1), { timeout: 30_000 }).toEqual({ ...asked, providers: expect.arrayContaining(['bfl', 'runware']) })
      await page.goto(`${gateway.url}/generations/${one.id}`)
      await page.getByRole('button', { name: 'Compare providers' }).click()
      await page.getByText('As before: 16:9 · 2 MP.').waitFor()
      await expect.poll(() => sent.at(-1), { timeout: 30_000 }).toEqual(asked)
      await page.getByRole('textbox', { name: 'Width' }).fill('512')
      await page.getByRole('textbox', { name: 'Height' }).fill('768')
      const { aspect_ratio: _, megapixels: __, ...others } = asked
      await expect.poll(() => sent.at(-1), { timeout: 30_000 }).toEqual({ ...others, width: 512, height: 768 })
      await page.goto(`${gateway.url}/generations/${one.id}`)
      await page.getByRole('button', { name: 'Same seed again' }).click()
      const routing = { only: [one.provider], allow_fallbacks: false, max_price_usd: '0.2' }
      // The page asks for prices behind it.
      await expect.poll(() => sent, { timeout: 30_000 }).toContainEqual({ ...asked, seed: one.images[0]?.seed, provider: routing })
      expect(complaints).toEqual([])
      await close()
    },
    PATIENCE_MS,
  )

  test(
    'are those that the offers of the model have: quality and background where one sells them, with the values it takes, and no seed where none has one; one that is set stays until it is emptied',
    async ({ expect }) => {
      const { page, complaints, close, last } = await openForm('gpt-image-2', 'OpenAI')
      await page.getByRole('button', { name: 'More' }).click()
      const quality = page.getByRole('combobox', { name: 'Quality', exact: true })
      await quality.waitFor()
      expect(await quality.locator('option').allTextContents()).toEqual(['as each provider does', 'low', 'medium', 'high'])
      await quality.selectOption('high')
      await page.getByRole('combobox', { name: 'Background' }).selectOption('opaque')
      await expect.poll(() => last(), { timeout: 30_000 }).toMatchObject({ model: 'gpt-image-2', quality: 'high', background: 'opaque' })
      expect(await page.getByRole('textbox', { name: 'Steps' }).count()).toBe(0)
      expect(await page.getByRole('textbox', { name: 'Seed' }).count()).toBe(0)
      await page.getByRole('button', { name: 'More: high quality, opaque background' }).waitFor()
      await page.getByRole('button', { name: 'Options, OpenAI' }).click()
      await page.getByRole('group', { name: 'Options of OpenAI' }).getByRole('combobox', { name: 'moderation' }).selectOption('low')
      await expect.poll(() => last()?.provider_options, { timeout: 30_000 }).toEqual({ openai: { moderation: 'low' } })
      await page.getByRole('combobox', { name: 'Model' }).selectOption('flux-2-pro')
      await page.getByText('No checked provider has it.').waitFor()
      await quality.selectOption('')
      await quality.waitFor({ state: 'detached' })
      await page.getByRole('textbox', { name: 'Seed' }).waitFor()
      expect(complaints).toEqual([])
      await close()
    },
    PATIENCE_MS,
  )

  test(
    'keep a model that is chosen in the moment in which the models are listed',
    async ({ expect }) => {
      const prepare = (page: Page) => page.addInitScript(CHOOSE_AT_ONCE)
      const { page, complaints, close } = await openPage(gateway.url, { prepare })
      await expect.poll(() => page.evaluate('window.hasChosen'), { timeout: 30_000 }).toBe(true)
      await page.getByRole('table', { name: 'Quotes' }).getByRole('checkbox').first().waitFor()
      expect(await page.getByRole('combobox', { name: 'Model' }).inputValue()).toBe('gpt-image-2')
      expect(complaints).toEqual([])
      await close()
    },
    PATIENCE_MS,
  )

  test(
    'show what is wrong with one below it and nowhere else, also where it is folded away or an option of one provider; the providers stay in their rows, without figures and without a sum; options are counted beside the name',
    async ({ expect }) => {
      const { page, complaints, close, last } = await openForm('flux-2-pro', 'Runware')
      await page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
      await page.getByRole('button', { name: 'More' }).click()
      await page.getByRole('textbox', { name: /^Safety/ }).fill('99')
      await page.getByRole('button', { name: 'More: safety 99' }).click()
      await page.locator('#safety-wrong').waitFor()
      const quotes = page.getByRole('table', { name: 'Quotes' })
      expect(await quotes.getByRole('checkbox', { name: 'Runware' }).isVisible()).toBe(true)
      await quotes.getByText('$0.0300').first().waitFor({ state: 'hidden' })
      await expect.poll(() => page.locator('.total').textContent()).not.toContain('$')
      expect(await page.getByRole('alert').count()).toBe(0)
      await page.getByRole('textbox', { name: /^Safety/ }).fill('')
      await quotes.getByText('$0.0300').first().waitFor()
      await page.getByRole('button', { name: 'Options, Runware' }).click()
      const ofRunware = page.getByRole('group', { name: 'Options of Runware' })
      await ofRunware.getByRole('textbox', { name: 'ttl' }).fill('5')
      await page.getByRole('button', { name: 'Options, Runware' }).click()
      await ofRunware.getByText('must be from 60').waitFor()
      await page.getByRole('textbox', { name: 'Prompt' }).fill('a fox')
      await page.keyboard.press('Control+Enter')
      await expect.poll(() => page.evaluate('document.activeElement.id'), { timeout: 30_000 }).toBe('runware-ttl')
      await ofRunware.getByRole('textbox', { name: 'ttl' }).fill('')
      await ofRunware.waitFor({ state: 'detached' })
      await page.getByRole('button', { name: 'Options, Runware' }).click()
      await ofRunware.getByRole('combobox', { name: 'safety.mode' }).selectOption('fast')
      await expect.poll(() => last()?.provider_options, { timeout: 30_000 }).toEqual({ runware: { safety: { mode: 'fast' } } })
      await page.getByRole('button', { name: 'Options, Black Forest Labs' }).click()
      const options = page.getByRole('group', { name: 'Options of Black Forest Labs' })
      const field = options.getByRole('combobox').first()
      const name = (await options.locator('label').first().textContent()) ?? ''
      await field.selectOption({ index: 1 })
      await page
        .getByRole('row')
        .filter({ has: page.getByRole('checkbox', { name: 'Black Forest Labs' }) })
        .getByText('1 set')
        .waitFor()
      await expect.poll(() => Object.keys(last()?.provider_options?.['bfl'] ?? {}), { timeout: 30_000 }).toHaveLength(1)
      expect(name).not.toBe('')
      expect(complaints).toEqual([])
      await close()
    },
    PATIENCE_MS,
  )
})
