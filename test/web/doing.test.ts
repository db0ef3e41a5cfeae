import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GatewayKeyState, Generation, GenerationRequest } from '#contract'
import { hashOfKey } from '../../src/http/access.ts'
import { startOverridden } from '../crash/process.ts'
import { FIXTURE_PROVIDERS, launchGateway } from '../e2e/gateway.ts'
import { buildPagesOnce, hasChromium, openPage, region } from './browser.ts'

const SECRETS = { boss: 'secret-of-the-boss', poor: 'secret-of-the-poor', reader: 'secret-of-a-reader' } as const
const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'

let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  const key = (name: keyof typeof SECRETS, more: string) => `  - { name: ${name}, key_hash: ${hashOfKey(SECRETS[name])}, ${more} }`
  const keys = [key('boss', 'scope: admin'), key('poor', 'budget_usd: "0.04"'), key('reader', 'scope: read')]
  gateway = await launchGateway({ config: `keys:\n${keys.join('\n')}\n` })
}, 60_000)
afterAll(() => gateway.close())

/** A page that was opened with one of the keys. */
const openAs = (name: keyof typeof SECRETS, path: string, prepare: (page: Page) => Promise<unknown> = async () => {}) =>
  openPage(`${gateway.url}${path}`, { key: SECRETS[name], prepare })
const read = async <Body>(path: string, name: keyof typeof SECRETS = 'boss'): Promise<Body> =>
  (await (await gateway.ask(path, { headers: { authorization: `Bearer ${SECRETS[name]}` } })).json()) as Body

/** Of each generation of a gateway: whether its vendor has named the task. */
async function tasksAt(url: string): Promise<readonly boolean[]> {
  const get = async <Body>(path: string): Promise<Body> => (await (await fetch(`${url}${path}`)).json()) as Body
  const { data } = await get<{ data: readonly { id: string }[] }>('/v1/generations')
  const whole = await Promise.all(data.map(({ id }) => get<Generation>(`/v1/generations/${id}`)))
  return whole.map(({ attempts }) => attempts.at(-1)?.provider_task_id != null)
}

describe.skipIf(!hasChromium)('the form', { concurrent: true }, () => {
  test('takes references that are dropped, pasted or a link, a mask drawn on the first, and sends them in their order', async ({
    expect,
  }) => {
    const quoted: GenerationRequest[] = []
    const { page, complaints, close } = await openAs('boss', '/', async (before) => {
      before.on('request', (request) => {
        if (request.url().endsWith('/v1/quotes')) quoted.push(request.postDataJSON() as GenerationRequest)
      })
      await before.route('**/v1/models/*', async (route) => {
        const model = (await (await route.fetch()).json()) as { offers: { limits: object }[] }
        await route.fulfill({
          json: { ...model, offers: model.offers.map((offer) => ({ ...offer, limits: { ...offer.limits, mask: true } })) },
        })
      })
    })
    const png = await sharp({ create: { width: 60, height: 120, channels: 3, background: '#864' } })
      .png()
      .toBuffer()
    // Both at the same moment: neither is lost.
    await page.evaluate(`for (const kind of ['drop', 'paste']) {
        const bytes = Uint8Array.from(atob('${png.toString('base64')}'), (letter) => letter.charCodeAt(0))
        const data = new DataTransfer()
        data.items.add(new File([bytes], kind + '.png', { type: 'image/png' }))
        dispatchEvent(kind === 'drop' ? new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }) : new ClipboardEvent('paste', { clipboardData: data }))
      }`)
    await page.getByRole('img', { name: 'Reference 2' }).waitFor()
    await page.getByRole('button', { name: 'link' }).click()
    await page.getByRole('textbox', { name: 'Link of a reference image' }).fill('https://images.example/fox.png')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Move left, reference 3' }).click()
    await page.getByRole('button', { name: 'More' }).click()
    await page.getByRole('button', { name: 'Draw it' }).click()
    const area = await page.getByRole('img', { name: 'Drawing area' }).boundingBox()
    if (area === null) throw new Error('there is nothing to draw on')
    // It is drawn on the image as it is, not on a stretched one.
    expect(area.width / area.height).toBeCloseTo(0.5, 2)
    await page.mouse.move(area.x + area.width / 2, area.y + area.height / 2)
    await page.mouse.down()
    await page.mouse.move(area.x + area.width / 2 + 20, area.y + area.height / 2)
    await page.mouse.up()
    await page.getByRole('button', { name: 'Use this mask' }).click()
    await expect.poll(() => quoted.at(-1)?.mask !== undefined, { timeout: 30_000 }).toBe(true)
    const { reference_images: sent = [], mask } = quoted.at(-1) ?? {}
    const kinds = sent.map((one) => (typeof one === 'string' ? one.slice(0, 22) : 'stored'))
    expect(kinds).toEqual(['data:image/png;base64,', 'https://images.example', 'data:image/png;base64,'])
    const drawn = sharp(Buffer.from((typeof mask === 'string' ? mask : '').split(',')[1] ?? '', 'base64'))
    const { data, info } = await drawn.raw().toBuffer({ resolveWithObject: true })
    const alphaAt = (x: number, y: number) => data[(y * info.width + x) * info.channels + 3]
    expect([info.width, info.height, alphaAt(2, 2), alphaAt(30, 60)]).toEqual([60, 120, 255, 0])
    expect(complaints).toEqual([])
    await close()
  }, 90_000)

  test('says that the budget is used up, buys nothing, and shows a key of scope read nothing that buys', async () => {
    const { page, close } = await openAs('poor', '/')
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a fox')
    await page.getByRole('textbox', { name: 'Width' }).fill('2048')
    await page
      .getByText(/^Over the budget of key poor\. \$0 of \$0\.0400 used in [A-Z][a-z]+, this asks for \$0\.\d+\. Nothing was bought\./)
      .waitFor()
    await page.keyboard.press('Control+Enter')
    await page.getByText('No provider can take this request.').waitFor()
    expect((await read<{ data: Generation[] }>('/v1/generations', 'poor')).data.flatMap(({ images }) => images)).toEqual([])
    await page.goto(`${gateway.url}/costs`)
    await page.getByText(/^Budget of poor: \$0\.0400 of \$0\.0400 left this month$/).waitFor()
    expect(await page.getByRole('table', { name: 'Keys' }).count()).toBe(0)
    await close()
    const reader = await openAs('reader', '/')
    await reader.page.getByText('This key may only read.').waitFor()
    expect(await reader.page.getByRole('button', { name: 'Compare', exact: true }).getAttribute('aria-disabled')).toBe('true')
    await reader.close()
  }, 90_000)
})

describe.skipIf(!hasChromium)('a generation that is compared again', { concurrent: true }, () => {
  test('shows its stored reference, though its address needs a key', async () => {
    const png = await sharp({ create: { width: 120, height: 80, channels: 3, background: '#468' } })
      .png()
      .toBuffer()
    const made = (await (
      await gateway.ask('/v1/generations', {
        method: 'POST',
        headers: { authorization: `Bearer ${SECRETS.boss}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          model: 'flux-2-pro',
          prompt: 'a fox',
          reference_images: [`data:image/png;base64,${png.toString('base64')}`],
        }),
      })
    ).json()) as Generation
    const { page, complaints, close } = await openAs('boss', `/generations/${made.id}`)
    await page.getByText('Compare providers').click()
    const reference = page.getByRole('img', { name: 'Reference 1' })
    await expect
      .poll(() => reference.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth), { timeout: 30_000 })
      .toBe(120)
    expect(complaints).toEqual([])
    await close()
  }, 90_000)
})

describe.skipIf(!hasChromium)('a result', { concurrent: true }, () => {
  test('of unknown outcome says so and asks before it is bought again; what a vendor said and its calls stay text', async () => {
    const { page, complaints, close } = await openAs('boss', '/', (before) =>
      before.route('**/v1/generations/gen_*', async (route) => {
        const reply = await route.fetch()
        const generation = (await reply.json()) as Generation
        const attempts = generation.attempts?.map((attempt) => ({
          ...attempt,
          error: attempt.error && { ...attempt.error, message: HOSTILE, provider_message: HOSTILE },
        }))
        await route.fulfill({ json: { ...generation, ...(attempts ? { attempts } : {}) } })
      }),
    )
    await page.getByRole('textbox', { name: 'Prompt' }).fill('sandbox:lost-reply@bfl a fox')
    await page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
    await page.keyboard.press('Control+Enter')
    const column = region(page, 'Black Forest Labs')
    await column.getByText('We do not know').waitFor()
    await column.getByRole('button', { name: 'Buy again, Black Forest Labs' }).click()
    await column.getByText('The first may be billed too.').waitFor()
    await region(page, 'Runware').getByText('Succeeded').waitFor()
    await page.goto(`${gateway.url}/generations?cost=unknown`)
    await page
      .getByRole('table', { name: 'Generations' })
      .getByRole('link', { name: /lost-reply/ })
      .click()
    const story = page.getByRole('list', { name: 'Story' })
    await story.getByText(HOSTILE).first().waitFor()
    await story.getByRole('button', { name: '1 call of attempt 1' }).click()
    // Of several attempts each has its own: no two names are the same.
    await region(page, 'What was sent, call 1 of attempt 1').getByText('"prompt": "sandbox:lost-reply@bfl a fox"').waitFor()
    expect(await page.title()).toBe('sandbox:lost-reply@bfl a fox · imagegate')
    expect(complaints).toEqual([])
    await close()
  }, 90_000)

  test('is followed through a server that is killed and started again under the page', async ({ expect, onTestFinished }) => {
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-pages-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    // Long enough that none has ended when the kill comes, however busy the machine.
    const overrides = { providers: FIXTURE_PROVIDERS, sandboxTypicalMs: 6_000 }
    const environment = { IMAGEGATE_DATA: folder, PORT: '0' }
    const first = await startOverridden(environment, overrides)
    const { page, complaints, close } = await openPage(first.url, { prepare: (blank) => blank.clock.install() })
    await page.getByRole('textbox', { name: 'Prompt' }).fill('a fox that stays')
    await page.getByRole('table', { name: 'Quotes' }).getByText('$0.0300').first().waitFor()
    await page.keyboard.press('Control+Enter')
    await region(page, 'Vtrix').getByText('Running', { exact: true }).first().waitFor()
    // A kill between a submit and its reply ends in `outcome_unknown`, rightly; this one comes after the replies.
    await expect.poll(() => tasksAt(first.url), { timeout: 30_000, interval: 100 }).toEqual([true, true, true])
    await first.kill('SIGKILL')
    await page.getByText('The gateway does not answer.').first().waitFor()
    await page.getByRole('textbox', { name: 'Prompt' }).fill('typed meanwhile')
    const second = await startOverridden({ ...environment, PORT: new URL(first.url).port }, overrides)
    // Its next try, by itself, is at most so far away.
    await page.clock.fastForward(15_000)
    for (const title of ['Black Forest Labs', 'Runware', 'Vtrix']) await region(page, title).getByText('Succeeded').waitFor()
    await page.getByText('The gateway does not answer.').first().waitFor({ state: 'detached' })
    expect(await page.getByRole('textbox', { name: 'Prompt' }).inputValue()).toBe('typed meanwhile')
    expect(complaints).toEqual([])
    await close()
    await second.kill('SIGKILL')
  }, 120_000)
})

describe.skipIf(!hasChromium)('the lists', () => {
  test('of Costs give a CSV like the API’s, and an admin makes a key, gives it a fresh secret and revokes it, each secret shown once; a generation names the key that bought it', async () => {
    const { page, close } = await openAs('boss', '/costs')
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()])
    const [, from = '', to = ''] = /costs-(.{10})-(.{10})\.csv/.exec(download.suggestedFilename()) ?? []
    const api = await gateway.ask(`/v1/costs?from=${from}&to=${to}&format=csv`, { headers: { authorization: `Bearer ${SECRETS.boss}` } })
    expect(readFileSync(await download.path(), 'utf8')).toBe(await api.text())
    await page.getByRole('textbox', { name: 'Name of the new key' }).fill('from-the-page')
    await page.getByRole('textbox', { name: 'Budget, in dollars' }).fill('five')
    await page.getByRole('button', { name: 'Create' }).click()
    await page.getByText(/budget_usd must be a decimal string/).waitFor()
    // What was typed stays where it is refused.
    expect(await page.getByRole('textbox', { name: 'Name of the new key' }).inputValue()).toBe('from-the-page')
    await page.getByRole('textbox', { name: 'Budget, in dollars' }).fill('5.5')
    await page.getByRole('combobox', { name: 'Budget starts anew' }).selectOption('day')
    await page.getByRole('textbox', { name: 'Requests a minute' }).fill('600')
    await page.getByLabel('Refused from (UTC)').fill('2099-12-24')
    await page.getByRole('textbox', { name: 'Models of the new key' }).fill('flux-2-pro, flux-2-flex')
    await page.getByRole('textbox', { name: 'Providers of the new key' }).fill('runware')
    await page.getByRole('button', { name: 'Create' }).click()
    await page
      .getByText('600 requests a minute, only flux-2-pro and flux-2-flex, only at Runware, refused from 24 Dec', { exact: true })
      .waitFor()
    await page.getByRole('button', { name: 'Copy the secret of from-the-page' }).waitFor()
    const { data: keys } = await read<{ data: GatewayKeyState[] }>('/v1/keys')
    expect(keys.find(({ name }) => name === 'from-the-page')).toMatchObject({
      scope: 'write',
      budget_usd: '5.5',
      period: 'day',
      rate: { per_minute: 600 },
      expires_at: '2099-12-24T00:00:00.000Z',
      models: ['flux-2-pro', 'flux-2-flex'],
      providers: ['runware'],
    })
    const shown = async () => (await page.locator('code.secret').textContent()) ?? ''
    const statusOf = async (secret: string) => (await gateway.ask('/v1/key', { headers: { authorization: `Bearer ${secret}` } })).status
    const made = await shown()
    expect(await statusOf(made)).toBe(200)
    const { id } = await gateway.generate({ prompt: 'bought by the new key' }, { authorization: `Bearer ${made}` })
    await page.getByRole('button', { name: 'Fresh secret for from-the-page' }).click()
    await expect.poll(shown, { timeout: 30_000 }).not.toBe(made)
    const fresh = await shown()
    await page.getByText('The one before counts for a day more.').waitFor()
    expect([await statusOf(made), await statusOf(fresh)]).toEqual([200, 200])
    await page.goto(`${gateway.url}/generations/${id}`)
    await page.locator('.facts-list').getByText('from-the-page', { exact: true }).waitFor()
    await page.goto(`${gateway.url}/costs`)
    await page.getByRole('table', { name: 'Keys' }).getByText('from-the-page').waitFor()
    for (const secret of [made, fresh]) expect((await page.content()).includes(secret)).toBe(false)
    await page.getByRole('button', { name: 'Revoke from-the-page' }).click()
    await page.getByRole('button', { name: 'Really revoke from-the-page' }).click()
    await page.getByRole('table', { name: 'Keys' }).getByText('from-the-page').waitFor({ state: 'detached' })
    expect([await statusOf(made), await statusOf(fresh)]).toEqual([401, 401])
    await close()
  }, 90_000)
})
