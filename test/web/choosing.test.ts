import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestContext } from 'vitest'
import type { Comparison, CostReport, Generation, ProviderState, Quote } from '#contract'
import { launchGateway } from '../e2e/gateway.ts'
import { projectFolder, runModule } from '../support/snippets.ts'
import { buildPagesOnce, hasChromium, openPage, region, sideways } from './browser.ts'

const PATIENCE_MS = 120_000
let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway()
}, 60_000)
afterAll(() => gateway.close())

const read = async <Body>(path: string): Promise<Body> => (await (await gateway.ask(path)).json()) as Body
const compare = async (request: object): Promise<Comparison> =>
  (await (
    await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'a fox', ...request }, { prefer: 'wait=60' })
  ).json()) as Comparison

describe.skipIf(!hasChromium)('somebody who never read the README', { concurrent: true }, () => {
  test.each([360, 1440])(
    'compares three providers at %i pixels, sees what each charged, and what the week’s images would have cost elsewhere',
    async (width) => {
      const { page, complaints, close } = await openPage(gateway.url, { width, height: 800 })
      await page.getByRole('textbox', { name: 'Prompt' }).fill('a lighthouse in the rain')
      await page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
      await page.getByRole('button', { name: 'Compare', exact: true }).click()
      const charged = { 'Black Forest Labs': '$0.0300', Runware: '$0.0300', Vtrix: '$0.0285' }
      for (const [title, amount] of Object.entries(charged)) await region(page, title).getByText(amount).waitFor()
      await page.getByRole('link', { name: 'Costs' }).click()
      await page.getByRole('button', { name: '7 days' }).click()
      const elsewhere = page.getByRole('table', { name: 'What it would have cost' })
      await elsewhere.getByText('Black Forest Labs').waitFor()
      const { what_if: rows } = await read<CostReport>(
        `/v1/costs?from=${new URLSearchParams(new URL(page.url()).search).get('from') ?? ''}`,
      )
      expect(rows.length).toBeGreaterThan(0)
      // All of a row is on the screen, on a phone too.
      for (const cell of await elsewhere
        .getByRole('row', { name: /Runware/ })
        .getByRole('cell')
        .all()) {
        const box = await cell.boundingBox()
        if (box !== null) expect(box.x + box.width).toBeLessThanOrEqual(width)
      }
      expect([await sideways(page), complaints]).toEqual([0, []])
      await close()
    },
    PATIENCE_MS,
  )
})

/** A comparison and its providers as if so many had been asked. */
async function asked(page: Page, id: string, count: number): Promise<void> {
  const comparison = await read<Comparison>(`/v1/comparisons/${id}`)
  const { data } = await read<{ data: ProviderState[] }>('/v1/providers')
  const [state] = data
  const names = Array.from({ length: count }, (_, at) => comparison.summary[at]?.provider ?? `another-${at}`)
  const summary = names.map((provider, at) => ({ ...comparison.summary[at % comparison.summary.length], provider }))
  const providers = names.map(
    (provider) => data.find((one) => one.id === provider) ?? { ...state, id: provider, title: `Provider ${provider}` },
  )
  await page.route('**/v1/comparisons/*', (route) => route.fulfill({ json: { ...comparison, summary } }))
  await page.route('**/v1/providers', (route) => route.fulfill({ json: { object: 'list', data: providers } }))
}

/** How far the actions of a column reach into the head of the one below it, in pixels. */
const ACTIONS_OVER_HEADS = `(() => {
  const columns = [...document.querySelectorAll('.column.dense')].map((column) => column.getBoundingClientRect())
  const below = Math.min(...columns.map(({ top }) => top).filter((top) => top > columns[0].top))
  return Math.max(0, document.querySelector('.column.dense .actions').getBoundingClientRect().bottom - below)
})()`

describe.skipIf(!hasChromium)('a comparison', { concurrent: true }, () => {
  test(
    'of two to twelve providers has the columns of the design and never scrolls sideways, from 360 to 2560 pixels; the actions of twelve cover no provider’s name, one of those that cost the same is the cheapest, and their menu is on the screen of a phone; nothing of it moves where motion is reduced',
    async ({ expect }) => {
      const { id } = await compare({ width: 512, height: 512 })
      const found: string[] = []
      for (const [count, columns] of [
        [2, [1, 2, 2, 2]],
        [3, [1, 2, 3, 3]],
        [5, [1, 2, 3, 5]],
        [12, [1, 2, 4, 6]],
      ] as const) {
        // prettier-ignore
        const { page, close } = await openPage(`${gateway.url}/?c=${id}`, { prepare: (before) => asked(before, id, count) })
        for (const [at, width] of [360, 800, 1440, 2560].entries()) {
          await page.setViewportSize({ width, height: 900 })
          const seen = () =>
            page.evaluate<number>(`getComputedStyle(document.querySelector('.columns')).gridTemplateColumns.split(' ').length`)
          await page
            .locator('.column')
            .nth(count - 1)
            .waitFor()
          await expect.poll(seen, { timeout: 30_000 }).toBe(columns[at])
          if ((await sideways(page)) > 0) found.push(`${count} at ${width}`)
        }
        if (count === 12) {
          expect(await page.evaluate<number>(ACTIONS_OVER_HEADS)).toBe(0)
          const said = await page.locator('.receipt .line:first-child .small').allTextContents()
          expect(said.filter((text) => text === 'cheapest' || text === 'same')).toEqual(['cheapest', 'same', 'same', 'same'])
          await page.setViewportSize({ width: 360, height: 780 })
          await page.getByLabel('More of this comparison').click()
          const menu = await page.locator('.menu .card').boundingBox()
          expect([menu !== null && menu.x >= 0 && menu.x + menu.width <= 360]).toEqual([true])
          await page.keyboard.press('Escape')
          await page.locator('.menu:not([open]) summary:focus').waitFor()
        }
        const moving = await page.evaluate<number>('document.getAnimations().length')
        if (moving > 0) found.push(`${count}: ${moving} animations`)
        await close()
      }
      expect(found).toEqual([])
    },
    PATIENCE_MS,
  )

  test(
    'that runs stands still where motion is reduced, and its ring turns elsewhere; on a phone too its slot has the shape of the image to come; a blind vote without two images is none',
    async () => {
      const request = { model: 'flux-2-pro', prompt: 'a fox sandbox:never', providers: ['bfl'] }
      const reply = await gateway.post('/v1/comparisons', request, { prefer: 'wait=0' })
      const { id, generations } = (await reply.json()) as Comparison
      const turning = 'document.querySelector(".turning") && getComputedStyle(document.querySelector(".turning")).animationName'
      for (const [motion, name] of [
        ['reduce', 'none'],
        ['no-preference', 'turn'],
      ] as const) {
        // prettier-ignore
        const { page, close } = await openPage(`${gateway.url}/?c=${id}`, { motion })
        await region(page, 'Black Forest Labs').getByText('Running', { exact: true }).first().waitFor()
        expect(await page.evaluate(turning)).toBe(name)
        await page.setViewportSize({ width: 360, height: 780 })
        const slot = await page.locator('.slot.waiting').boundingBox()
        expect(Math.abs((slot?.width ?? 0) - (slot?.height ?? 9))).toBeLessThan(1)
        if (motion === 'no-preference') {
          await page.setViewportSize({ width: 1440, height: 900 })
          await page.getByRole('button', { name: 'Blind vote' }).click()
          await gateway.post(`/v1/generations/${generations[0]?.id}/cancel`, {})
          await page.getByText('There are no two images to choose between: 1 has no image.').waitFor()
          expect(await page.getByRole('button', { name: /^Choose|^No favourite/ }).count()).toBe(0)
          await page.keyboard.press('0')
          expect(await page.evaluate('localStorage.getItem("imagegate.votes.sandbox")')).toBe(null)
        }
        await close()
      }
    },
    PATIENCE_MS,
  )

  test(
    'of several images each: the arrows turn them, what is zoomed and saved is the one that is shown, and prices are compared per image; 0 takes a pick back; the stage of the wipe is as high as the screen leaves it, and never stretches an image',
    async () => {
      const { id, generations } = await compare({ n: 3, width: 512, height: 512, providers: ['runware', 'vtrix'] })
      const images = generations[0]?.images.map((image) => image.id) ?? []
      const { page, complaints, close } = await openPage(`${gateway.url}/?c=${id}`)
      const column = region(page, 'Runware')
      const saved = column.getByRole('link', { name: 'Save, Runware' })
      await column.getByText('1 of 3').waitFor()
      expect(await saved.getAttribute('href')).toContain(images[0])
      await column.getByRole('button', { name: 'Next image, Runware' }).focus()
      await page.keyboard.press('ArrowRight')
      await column.getByText('2 of 3').waitFor()
      await page.keyboard.press('ArrowLeft')
      await page.keyboard.press('ArrowLeft')
      await column.getByText('3 of 3').waitFor()
      expect(await saved.getAttribute('href')).toContain(images[2])
      await column.getByRole('button', { name: 'Zoom, Runware' }).click()
      expect(await page.getByRole('dialog', { name: 'Zoom, Runware' }).getByRole('img').getAttribute('src')).toContain(images[2])
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await page.keyboard.press('1')
      await column.getByRole('button', { name: 'Favourite, Runware' }).waitFor()
      await page.keyboard.press('0')
      await column.getByRole('button', { name: 'Pick, Runware' }).waitFor()
      await page.keyboard.press('w')
      await page.getByText('B costs $0.0015 less per image. A thousand like it: $1.50 less.').waitFor()
      for (const [width, height] of [
        [700, 1_200],
        [1440, 900],
        [360, 500],
      ] as const) {
        await page.setViewportSize({ width, height })
        const stage = await page.locator('.stage').boundingBox()
        const image = await page.locator('.stage img').first().boundingBox()
        expect([width, Math.round((image?.width ?? 0) - (image?.height ?? 9))]).toEqual([width, 0])
        expect(stage?.height).toBeLessThanOrEqual(Math.max(240, height - 340))
      }
      await page.setViewportSize({ width: 1440, height: 900 })
      await page.getByRole('button', { name: 'Blind vote' }).click()
      await page.keyboard.press('1')
      await page
        .getByText(/^Your choice (is the cheapest\.|costs \$0\.0015 per image more than the cheapest\. A thousand images: \$1\.50\.)$/)
        .waitFor()
      await page
        .getByRole('table', { name: 'Chosen blind' })
        .getByRole('row', { name: /Vtrix.*\$0\.0285/ })
        .waitFor()
      // So it is on the page of the generation.
      await page.goto(`${gateway.url}/generations/${generations[0]?.id}`)
      await page.getByRole('button', { name: '2 of 3' }).click()
      expect(await page.getByRole('link', { name: 'Save the image' }).getAttribute('href')).toContain(images[1])
      await page
        .locator('.facts-list')
        .getByText(generations[0]?.images[1]?.seed ?? 'no seed', { exact: true })
        .waitFor()
      expect(complaints).toEqual([])
      await close()
    },
    PATIENCE_MS,
  )

  test(
    'that is among the newest says how many of it are of unknown cost; of seven and more, far images and failures stay last as asked too',
    async ({ expect }) => {
      const made = await compare({ width: 512, height: 512 })
      const [first] = made.summary
      const of = (provider: string, part: object) => ({ ...first, provider, ...part })
      const summary = made.summary.map((row, at) => (at === 0 ? { ...row, amount: null } : row))
      const { page, close } = await openPage(gateway.url, {
        prepare: (before) =>
          before.route('**/v1/comparisons?*', (route) => route.fulfill({ json: { object: 'list', data: [{ ...made, summary }] } })),
      })
      await page.getByText('+ 1 unknown').waitFor()
      await page.unrouteAll()
      const seven = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name, at) => of(name, { fidelity: at === 1 ? 'far' : 'exact' }))
      await page.route('**/v1/comparisons/*', (route) => route.fulfill({ json: { ...made, summary: seven } }))
      await page.goto(`${gateway.url}/?c=${made.id}`)
      await page.getByRole('button', { name: 'As asked' }).click()
      await expect.poll(() => page.locator('.column h2').allTextContents()).toEqual(['a', 'c', 'd', 'e', 'f', 'g', 'b'])
      await close()
    },
    PATIENCE_MS,
  )

  test(
    'opens the field that a chip names; is asked again with the same seed; a blind vote on a new one shows no name before the choice',
    async () => {
      const { id } = await compare({ seed: 4242, safety_tolerance: 1, metadata: { team: 'shop' } })
      const limits = Promise.withResolvers<void>()
      const { page, complaints, close } = await openPage(`${gateway.url}/?c=${id}`, {
        prepare: (before) =>
          before.route('**/v1/models/*', async (route) => {
            await limits.promise
            await route.continue()
          }),
      })
      await region(page, 'Vtrix').getByText('$0.0285').waitFor()
      await page.getByRole('button', { name: 'Safety 1', exact: true }).click()
      await page.locator('#safety:focus').waitFor()
      // What the offers take is known only now; the focus stays.
      limits.resolve()
      await page.getByRole('slider', { name: /^Safety/ }).waitFor()
      await page.locator('#safety:focus').waitFor()
      await page.getByRole('button', { name: 'Same seed again' }).click()
      await page.waitForURL((url) => url.searchParams.get('c') !== id)
      const again = new URL(page.url()).searchParams.get('c') ?? ''
      const asked = await read<Comparison>(`/v1/comparisons/${again}`)
      expect([asked.request, asked.generations[0]?.metadata]).toMatchObject([{ seed: '4242' }, { team: 'shop' }])
      await region(page, 'Vtrix').getByText('$0.0285').waitFor()
      await page.getByRole('button', { name: 'Blind vote' }).click()
      await page.getByRole('button', { name: /^Choose A/ }).click()
      await page.getByText('Too few votes to separate').first().waitFor()
      // A choice is final: who leaves the vote and comes back finds it as it was made, and it is counted once.
      await page.getByRole('button', { name: 'Leave blind vote' }).click()
      await region(page, 'Vtrix').waitFor()
      await page.getByRole('button', { name: 'Blind vote' }).click()
      await page.getByText('1 vote, kept in this browser').waitFor()
      expect(await page.getByRole('button', { name: /^Choose A/ }).count()).toBe(0)
      await page.getByRole('button', { name: 'Vote on a new seed' }).click()
      await page.getByRole('button', { name: /^Choose A/ }).waitFor()
      expect(await page.locator('main').innerText()).not.toMatch(/Runware|Vtrix|\$/)
      const last = new URL(page.url()).searchParams.get('c') ?? ''
      expect((await read<Comparison>(`/v1/comparisons/${last}`)).request['seed']).not.toBe('4242')
      await page.getByRole('button', { name: 'Leave blind vote' }).click()
      await region(page, 'Vtrix').waitFor()
      expect(complaints).toEqual([])
      await close()
    },
    PATIENCE_MS,
  )
})

describe.skipIf(!hasChromium)('one generation', { concurrent: true }, () => {
  test(
    'is bought again with its seed, put into the form for other providers, and copied as texts that run as they stand',
    async (context) => {
      const prompt = "a fox's den, “quoted” $HOME"
      const made = await gateway.generate(
        { prompt, seed: 77, width: 512, height: 512, provider: { only: ['runware'] }, metadata: { team: 'shop' } },
        { prefer: 'wait=60' },
      )
      const { page, complaints, close } = await openPage(`${gateway.url}/generations/${made.id}`)
      await page.getByRole('button', { name: 'Copy as' }).click()
      const texts = new Map<string, string>()
      for (const name of ['curl', 'TypeScript', 'Python', 'YAML route']) {
        await page.getByRole('tab', { name }).click()
        texts.set(name, (await page.getByRole('tabpanel').textContent()) ?? '')
      }
      await page.keyboard.press('Escape')
      await runs(texts, prompt, context)
      await page.getByRole('button', { name: 'Same seed again' }).click()
      await page.waitForURL((url) => !url.pathname.endsWith(made.id))
      const again = await read<Generation>(`/v1/generations/${new URL(page.url()).pathname.split('/').at(-1)}`)
      expect(again.request).toMatchObject({ prompt, seed: '77', provider: { only: ['runware'] } })
      expect(again.metadata).toEqual({ team: 'shop' })
      await page.getByRole('button', { name: 'Compare providers' }).click()
      await page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
      expect(await page.getByRole('textbox', { name: 'Prompt' }).inputValue()).toBe(prompt)
      expect(await page.getByRole('checkbox').count()).toBe(3)
      await page.getByRole('button', { name: 'More: metadata' }).waitFor()
      expect(complaints).toEqual([])
      await close()
    },
    PATIENCE_MS,
  )
})

/** Runs each text in a process of its own; a stand-in for the Python package sends what the real one would. */
async function runs(texts: ReadonlyMap<string, string>, prompt: string, { onTestFinished }: TestContext): Promise<void> {
  const text = (name: string) => texts.get(name) ?? ''
  const project = projectFolder({ 'ask.mts': text('TypeScript'), 'ask.py': text('Python'), 'openai.py': PYTHON_PACKAGE })
  onTestFinished(project.remove)
  const run = promisify(execFile)
  const [bash, node, python] = await Promise.all([
    run('bash', ['-c', text('curl')]),
    runModule(project.folder, 'ask.mts'),
    run('python3', ['ask.py'], { cwd: project.folder }),
  ])
  const byCurl = JSON.parse(bash.stdout) as Generation
  expect(byCurl).toMatchObject({ status: 'succeeded', provider: 'runware', request: { prompt }, metadata: { team: 'shop' } })
  for (const { stdout } of [node, python]) expect(stdout).toContain(`${gateway.url}/v1/images/`)
  const { data } = await read<{ data: Generation[] }>(`/v1/generations?${new URLSearchParams({ limit: '2', q: prompt }).toString()}`)
  for (const one of data) expect(one).toMatchObject({ provider: 'runware', request: { prompt, width: 512 } })
  const other = await launchGateway({ config: text('YAML route') })
  const quote = (await (await other.post('/v1/quotes', { model: 'flux-2-pro', prompt })).json()) as Quote
  expect(quote.route[0]).toBe('runware')
  await other.close()
}

const PYTHON_PACKAGE = `
import json, urllib.request
from types import SimpleNamespace
class OpenAI:
    def __init__(self, base_url, api_key):
        self.images = SimpleNamespace(generate=lambda **fields: self.ask(base_url, api_key, fields))
    def ask(self, base_url, api_key, fields):
        headers = {"content-type": "application/json", "authorization": "Bearer " + api_key}
        request = urllib.request.Request(base_url + "/images/generations", json.dumps(fields).encode(), headers)
        return json.load(urllib.request.urlopen(request), object_hook=lambda value: SimpleNamespace(**value))
`
