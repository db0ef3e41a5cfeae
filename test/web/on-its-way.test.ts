import { expect, onTestFinished, test } from 'vitest'
import type { Page } from 'playwright-core'
import type { Comparison, Generation } from '#contract'
import { json, launchGateway, type Gateway } from '../e2e/gateway.ts'
import { startStreamingVendor } from '../e2e/streaming-vendor.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { buildPagesOnce, hasChromium, openPage, region } from './browser.ts'

useRealSockets()

const ASKED = { model: 'gpt-image-2', width: 1024, height: 1024, prompt: 'it is held', provider_options: { openai: { partial_images: 2 } } }

/** Opens a page and waits until it follows its events. */
async function followed(url: string) {
  let first: Promise<unknown> = Promise.resolve()
  const prepare = async (page: Page) => {
    first = page.waitForResponse((response) => response.url().endsWith('/events'))
  }
  const opened = await openPage(url, { prepare })
  await first
  return opened
}

test.skipIf(!hasChromium)(
  'an image on its way stands in the slot of its column and of its own page, under the words of what runs, until the result replaces it; nothing is left of one whose attempt failed, also where no event says so',
  async () => {
    buildPagesOnce()
    const vendor = await startStreamingVendor()
    onTestFinished(() => vendor.close())
    const config = `providers: { openai: { base_url: "${vendor.url}", api_key: a-key-for-pages } }`
    const gateway = await launchGateway({ providers: ['openai'], config })
    onTestFinished(() => gateway.close())
    const { id, generations } = await json<Comparison>(await gateway.post('/v1/comparisons', ASKED, { prefer: 'respond-async' }))
    const [compared, alone] = await Promise.all([
      followed(`${gateway.url}/?c=${id}`),
      followed(`${gateway.url}/generations/${generations[0]?.id}`),
    ])
    const column = region(compared.page, 'OpenAI')
    const seen = [column, alone.page.locator('main')]
    vendor.step()
    for (const within of seen) {
      const partial = within.getByRole('img', { name: 'On its way, not the result' })
      await partial.waitFor()
      await expect
        .poll(() => partial.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth), { timeout: 30_000 })
        .toBe(1024)
      expect(await within.getByRole('img', { name: 'it is held' }).count()).toBe(0)
    }
    expect(await column.getByText('Running', { exact: true }).first().isVisible()).toBe(true)
    await goesOnElsewhere(alone.page)
    vendor.step()
    vendor.step()
    for (const within of seen) {
      await within.getByRole('img', { name: 'it is held' }).waitFor()
      expect(await within.getByRole('img', { name: 'On its way, not the result' }).count()).toBe(0)
    }
    expect([...compared.complaints, ...alone.complaints]).toEqual([])
    await refusedLate(gateway, vendor.step)
    await Promise.all([compared.close(), alone.close()])
  },
  120_000,
)

/** The generation is asked for, as a page does whose stream is refused, and is at its next attempt. */
async function goesOnElsewhere(page: Page): Promise<void> {
  const partial = page.getByRole('img', { name: 'On its way, not the result' })
  await page.route('**/v1/generations/gen_*', async (route) => {
    const reply = await route.fetch()
    const generation = (await reply.json()) as Generation
    await route.fulfill({ response: reply, json: { ...generation, attempts: [...generation.attempts, ...generation.attempts] } })
  })
  await partial.waitFor({ state: 'detached' })
  await page.unrouteAll({ behavior: 'wait' })
  await partial.waitFor()
}

/** An attempt that fails after half an image was shown: nothing is left of it. */
async function refusedLate(gateway: Gateway, step: () => void): Promise<void> {
  const asked = { ...ASKED, prompt: 'it is refused late' }
  const { id, generations } = await json<Comparison>(await gateway.post('/v1/comparisons', asked, { prefer: 'respond-async' }))
  const [compared, alone] = await Promise.all([
    followed(`${gateway.url}/?c=${id}`),
    followed(`${gateway.url}/generations/${generations[0]?.id}`),
  ])
  const seen = [region(compared.page, 'OpenAI'), alone.page.locator('main')]
  step()
  for (const within of seen) await within.getByRole('img', { name: 'On its way, not the result' }).waitFor()
  step()
  for (const within of seen) {
    await within.getByText('Moderated after it was made').waitFor()
    expect(await within.getByRole('img').count()).toBe(0)
  }
  await Promise.all([compared.close(), alone.close()])
}
