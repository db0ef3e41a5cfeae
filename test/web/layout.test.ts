import type { Locator, Page } from 'playwright-core'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Comparison, CostReport, GenerationRequest, Quote } from '#contract'
import { json, launchGateway } from '../e2e/gateway.ts'
import { buildPagesOnce, hasChromium, openPage, region, sideways } from './browser.ts'

let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway()
}, 60_000)
afterAll(() => gateway.close())

const boxOf = async (part: Locator) => {
  const box = await part.boundingBox()
  if (box === null) throw new Error('it is not shown')
  return box
}
const pngOf = (background: string) =>
  sharp({ create: { width: 90, height: 60, channels: 3, background } })
    .png()
    .toBuffer()
const quotesOf = (page: Page) => page.getByRole('table', { name: 'Quotes' })
const ready = (page: Page) => quotesOf(page).getByText('$0.0300').first().waitFor()

describe.skipIf(!hasChromium)('the design', { concurrent: true }, () => {
  test('has the quotes as a table whose price sentence stands below the name, without the usual time, from 640 to 899 pixels, and as rows of two lines below; a finger hits each of its controls on a phone', async () => {
    const { page, close } = await openPage(gateway.url, { prepare: withOneFar })
    await ready(page)
    const row = quotesOf(page).getByRole('row', { name: /Runware/ })
    const [who, price, how, time] = ['.who', '.price', '.how', '.time'].map((part) => row.locator(part)) as [
      Locator,
      Locator,
      Locator,
      Locator,
    ]
    const heads = () => quotesOf(page).locator('th').evaluateAll(SHOWN)
    for (const [width, isBelow, shown] of [
      [1440, false, ['Provider', 'Image you get', 'Price', 'To cheapest', 'Usual time', 'How the price is made']],
      [1320, false, ['Provider', 'Image you get', 'Price', 'To cheapest', 'Usual time', 'How the price is made']],
      [900, false, ['Provider', 'Image you get', 'Price', 'To cheapest', 'Usual time', 'How the price is made']],
      [899, true, ['Provider', 'Image you get', 'Price', 'To cheapest']],
      [640, true, ['Provider', 'Image you get', 'Price', 'To cheapest']],
    ] as const) {
      await page.setViewportSize({ width, height: 900 })
      expect([width, await heads()]).toEqual([width, shown])
      const [name, sentence] = [await boxOf(who), await boxOf(how)]
      expect([width, sentence.y >= name.y + name.height - 1, Math.abs(sentence.x - name.x) < 2]).toEqual([width, isBelow, isBelow])
      expect([width, await time.isVisible(), await sideways(page)]).toEqual([width, !isBelow, 0])
      const far = quotesOf(page).getByRole('row', { name: /3:2 · 1 MP/ })
      const [word, chevron] = [await boxOf(far.getByText('not comparable')), await boxOf(far.getByRole('button'))]
      expect([width, word.x + word.width <= chevron.x]).toEqual([width, true])
    }
    await page.setViewportSize({ width: 639, height: 900 })
    const [name, amount, sentence] = [await boxOf(who), await boxOf(price), await boxOf(how)]
    expect([Math.abs(amount.y - name.y) < 4, amount.x > name.x + 100, sentence.y > name.y]).toEqual([true, true, true])
    // Total and Compare stick above the bottom bar.
    const compare = await boxOf(page.getByRole('button', { name: 'Compare', exact: true }))
    const bar = await boxOf(page.getByRole('navigation').last())
    expect([compare.y + compare.height <= bar.y, bar.y + bar.height]).toEqual([true, 900])
    await page.setViewportSize({ width: 360, height: 780 })
    await page.getByRole('button', { name: /^More/ }).click()
    await page.getByRole('button', { name: 'Options, Runware' }).click()
    await page
      .locator('input[type=file]')
      .first()
      .setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: await pngOf('#800') })
    await page.getByRole('button', { name: 'Remove, reference 1' }).waitFor()
    expect([await page.evaluate(TOO_SMALL), await sideways(page)]).toEqual([[], 0])
    await close()
  }, 90_000)

  test('has the outcome and the tools on one line from 1100 pixels, and the tools below it where they do not fit; a zoom keeps its spot from provider to provider, past a smaller image too', async ({
    expect,
  }) => {
    const reply = await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'a fox' }, { prefer: 'wait=60' })
    const { page, close } = await openPage(`${gateway.url}/?c=${(await json<Comparison>(reply)).id}`, { prepare: withOneSmaller })
    await region(page, 'Vtrix').getByText('Succeeded').waitFor()
    await page.getByRole('group', { name: 'Scale' }).waitFor()
    const [outcome, tools] = [page.locator('.outcome'), page.locator('.toolbar .tools')]
    for (const [width, isBelow] of [
      [1440, false],
      [1100, false],
      [900, true],
      [700, true],
    ] as const) {
      await page.setViewportSize({ width, height: 900 })
      const [said, held] = [await boxOf(outcome), await boxOf(tools)]
      expect([width, held.y >= said.y + said.height, await sideways(page)]).toEqual([width, isBelow, 0])
      expect(held.x + held.width).toBeLessThanOrEqual(width)
    }
    await page.keyboard.press('z')
    const stage = page.locator('.zoom-stage')
    const to = async (key: string) => {
      await page.keyboard.press(key)
      await page.getByText(`100 % · ${key} of 3`).waitFor()
    }
    await to('2')
    await stage.evaluate((one) => one.scrollTo(150, 100))
    const spot = () => stage.evaluate((one) => [one.scrollLeft, one.scrollTop])
    await to('3')
    expect(await spot()).toEqual([150, 100])
    await to('1')
    expect(await spot()).toEqual([0, 0])
    await to('2')
    expect(await spot()).toEqual([150, 100])
    await close()
  }, 90_000)

  test('has bars of 68 % of the step from zero, four hairlines and no vertical one, and the last fourteen days on a phone', async ({
    expect,
  }) => {
    await gateway.generate({ prompt: 'a day', provider: { only: ['runware'] } })
    const { page, close } = await openPage(`${gateway.url}/costs?days=30`, { prepare: withDays })
    const bars = page.locator('.stack .bar')
    await bars.nth(19).waitFor()
    for (const [width, days] of [
      [1440, 30],
      [500, 14],
    ] as const) {
      await page.setViewportSize({ width, height: 900 })
      await expect.poll(() => page.locator('.stack').count(), { timeout: 30_000 }).toBe(days)
      const [step, bar, plot] = [await boxOf(page.locator('.stack').last()), await boxOf(bars.last()), await boxOf(page.locator('.plot'))]
      expect(bar.width / step.width).toBeCloseTo(0.68, 2)
      const lines = await page.locator('.grid-line').evaluateAll(BOXES)
      // The line of zero, and four over it.
      expect(lines.map(([, height]) => height)).toEqual([1, 1, 1, 1, 1])
      const [zero = 0] = lines.map(([y]) => y).toSorted((one, other) => other - one)
      expect(Math.abs(bar.y + bar.height - zero)).toBeLessThanOrEqual(1)
      expect(lines.every(([, , across]) => Math.abs(across - plot.width) < 1)).toBe(true)
    }
    await close()
  }, 90_000)

  test('lets a reference be dragged or moved by keyboard to another spot in the order; says what is no image or no link; nothing of the page is taken for a new image', async ({
    expect,
  }) => {
    const quoted: GenerationRequest[] = []
    const { page, complaints, close } = await openPage(gateway.url, {
      prepare: async (blank) =>
        blank.on('request', (request) => {
          if (request.url().endsWith('/v1/quotes')) quoted.push(request.postDataJSON() as GenerationRequest)
        }),
    })
    await ready(page)
    const pngs = await Promise.all(['#800', '#080', '#008'].map(pngOf))
    const files = pngs.map((buffer, at) => ({ name: `${at}.png`, mimeType: 'image/png', buffer }))
    await page.locator('input[type=file]').first().setInputFiles(files)
    const sent = () =>
      quoted
        .at(-1)
        ?.reference_images?.map((one) => pngs.findIndex((png) => typeof one === 'string' && one.endsWith(png.toString('base64'))))
    await expect.poll(sent, { timeout: 30_000 }).toEqual([0, 1, 2])
    const thumb = (at: number) => page.getByRole('img', { name: `Reference ${at}` })
    await thumb(3).dragTo(thumb(1))
    await expect.poll(sent, { timeout: 30_000 }).toEqual([2, 0, 1])
    expect(await page.locator('.drop.over').count()).toBe(0)
    const focused = () => page.evaluate<string | null>('document.activeElement.ariaLabel')
    await page.getByRole('button', { name: 'Move right, reference 1' }).focus()
    await page.keyboard.press('Enter')
    await expect.poll(sent, { timeout: 30_000 }).toEqual([0, 2, 1])
    expect(await focused()).toBe('Move right, reference 2')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await expect.poll(sent, { timeout: 30_000 }).toEqual([0, 1])
    expect(await focused()).toBe('Remove, reference 2')
    await page.getByRole('button', { name: 'link', exact: true }).click()
    await page.keyboard.type('images.example/fox.png')
    await page.keyboard.press('Enter')
    await page.getByText('This is no link: one begins with https://').waitFor()
    await page.keyboard.press('Escape')
    await page.locator('#reference-link:focus').waitFor()
    expect(await page.evaluate(DROPS_A_TEXT)).toBe(true)
    await page.getByText('notes.txt is no JPEG, PNG or WebP.').waitFor()
    expect(complaints).toEqual([])
    await close()
  }, 90_000)

  test('shows one generation on a phone as image, prompt, what it cost, and then what can be done; a webhook that failed says when it is sent again, and fits', async () => {
    const { id } = await gateway.generate({ prompt: 'in this order', provider: { only: ['runware'] } }, { prefer: 'wait=60' })
    const { page, close } = await openPage(`${gateway.url}/generations/${id}`, { width: 360, height: 780, prepare: withDeliveries })
    const parts = [
      page.getByRole('img', { name: 'in this order' }),
      page.getByRole('heading', { level: 1 }),
      page.locator('.one-receipt .title').getByText('$0.0300'),
      page.getByText('Billed by Runware, as quoted'),
      page.getByRole('table', { name: 'Cost' }),
      page.getByRole('button', { name: 'Compare providers' }),
      page.getByRole('list', { name: 'Story' }),
    ]
    for (const part of parts) await part.waitFor()
    const tops = await Promise.all(parts.map(async (part) => (await boxOf(part)).y))
    expect(tops).toEqual(tops.toSorted((one, other) => one - other))
    await page.getByText(/^503, again in \d+ s$/).waitFor()
    await page.getByText(/^connect ECONNREFUSED 127\.0\.0\.1:36371, again in \d+ min/).waitFor()
    expect(await sideways(page)).toBe(0)
    await close()
  }, 90_000)
})

/** One provider sells shapes instead of pixels, under a long name. */
const withOneFar = (page: Page) =>
  page.route('**/v1/quotes', async (route) => {
    const reply = await route.fetch()
    const quote = (await reply.json()) as Quote
    const applied = { n: 1, reference_images: 0, aspect_ratio: '3:2', tier: '1 MP' }
    const offers = quote.offers.map((offer) =>
      offer.provider === 'bfl' ? { ...offer, provider_model: 'black-forest-labs/flux.2-pro', fidelity: 'far', applied } : offer,
    )
    await route.fulfill({ response: reply, json: { ...quote, offers } })
  })

/** Controls that a finger misses: less than 44 pixels high. Links in a sentence are as high as its line; a check box is hit by what is around it. */
const TOO_SMALL = `[...document.querySelectorAll('a, button, input, select, textarea, label:has(input)')]
  .filter((one) => one.checkVisibility() && !one.closest('.hidden') && !one.matches('.said .link, label > input'))
  .map((one) => [one.getAttribute('aria-label') ?? one.textContent ?? one.id, one.getBoundingClientRect()])
  .filter(([, { width, height }]) => width > 1 && (height < 44 || width < 24))
  .map(([name, { width, height }]) => name + ' ' + width + ' × ' + height)`

/** Whether the page takes it: else the browser opens the file in its stead. */
const DROPS_A_TEXT = `(() => {
  const data = new DataTransfer()
  data.items.add(new File(['x'], 'notes.txt', { type: 'text/plain' }))
  return !dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }))
})()`

interface Head {
  checkVisibility(): boolean
  querySelector(what: string): unknown
  readonly textContent: string
}
const SHOWN = (heads: readonly unknown[]) =>
  (heads as readonly Head[])
    .filter((head) => head.checkVisibility() && head.querySelector('.hidden') === null)
    .map(({ textContent }) => textContent.trim())
const BOXES = (lines: readonly unknown[]) =>
  lines.map((line) => {
    const { y, height, width } = (line as { getBoundingClientRect(): { y: number; height: number; width: number } }).getBoundingClientRect()
    return [y, height, width] as const
  })

/** One provider has delivered a smaller image, so that the scale can be chosen. */
const withOneSmaller = (blank: Page) =>
  blank.route('**/v1/comparisons/*', async (route) => {
    const comparison = (await (await route.fetch()).json()) as Comparison
    const generations = comparison.generations.map((one, at) =>
      at > 0 ? one : { ...one, images: one.images.map((image) => ({ ...image, width: 512, height: 512 })) },
    )
    await route.fulfill({ json: { ...comparison, generations } })
  })

/** One webhook is sent again soon, another one later. */
const withDeliveries = (blank: Page) =>
  blank.route('**/v1/webhooks/deliveries?*', (route) => {
    const delivery = (id: string, lastTry: object, inMs: number) => ({
      id,
      type: 'generation.succeeded',
      url: 'https://shop.example/hooks/images',
      status: 'pending',
      created_at: new Date().toISOString(),
      last_try: { at: new Date().toISOString(), ...lastTry },
      next_try_at: new Date(Date.now() + inMs).toISOString(),
    })
    const refused = { status_code: null, reason: 'connect ECONNREFUSED 127.0.0.1:36371' }
    return route.fulfill({
      json: { data: [delivery('whd_1', { status_code: 503, reason: null }, 50_000), delivery('whd_2', refused, 1_800_000)] },
    })
  })

/** Something was spent on each of the last thirty days. */
const withDays = (blank: Page) =>
  blank.route(
    (url) => url.pathname === '/v1/costs' && url.search.includes('day'),
    async (route) => {
      const real = (await (await route.fetch()).json()) as CostReport
      const [like] = real.groups
      const groups = Array.from({ length: 30 }, (_, before) => ({
        ...like,
        group: { day: new Date(Date.now() - before * 86_400_000).toISOString().slice(0, 10), provider: 'runware' },
        spend: '0.03',
      }))
      await route.fulfill({ json: { ...real, groups } })
    },
  )
