import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchGateway } from '../e2e/gateway.ts'
import { buildPagesOnce, hasChromium, openPage } from './browser.ts'

let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  buildPagesOnce()
  gateway = await launchGateway()
}, 60_000)
afterAll(() => gateway.close())

/** Remembers at which instants of the page's own clock a request failed, and it asked whether the gateway is back; and what was answered. */
const REMEMBER_TRIES = `globalThis.tries = []
globalThis.failed = []
globalThis.answers = []
const ask = fetch
globalThis.fetch = (...request) => {
  const answer = ask(...request)
  if (new Request(...request).url.endsWith('/healthz')) tries.push(Date.now())
  else answer.catch(() => failed.push(Date.now()))
  answers.push(answer)
  return answer
}`

test.skipIf(!hasChromium)(
  'a page whose gateway is away tries again after 1, 2, 4, 8 and then every 15 seconds, and catches up by itself',
  async () => {
    let isAway = false
    const { page, close } = await openPage(`${gateway.url}/generations`, {
      async prepare(blank) {
        await blank.clock.install()
        await blank.addInitScript(REMEMBER_TRIES)
        await blank.route(/\/(v1|healthz)/, (route) => (isAway ? route.abort() : route.continue()))
      },
    })
    await page.getByText('No generations yet').waitFor()
    isAway = true
    /** A quarter of a second of the page's clock, and every answer to what it asked then. */
    const step = async () => {
      await page.clock.runFor(250)
      await page.evaluate('Promise.allSettled(answers)')
    }
    const tries = () => page.evaluate<number[]>('tries')
    while ((await tries()).length < 6) await step()
    const [failed = Number.NaN] = await page.evaluate<number[]>('failed')
    const waits = (await tries()).map((at, nth, all) => Math.round((at - (all[nth - 1] ?? failed)) / 1_000))
    expect(waits).toEqual([1, 2, 4, 8, 15, 15])
    isAway = false
    while ((await page.getByText('The gateway does not answer.').count()) > 0) await step()
    await close()
  },
  60_000,
)
