import { expect, test } from 'vitest'
import { buildPagesOnce, hasChromium, openPage } from './browser.ts'
import { gatewayWithMany } from './many-generations.ts'

const ROWS = 5_000
const PAGE = 50
/** A frame has 16 ms at sixty a second; what takes longer than this is seen as a stutter. */
const STUTTER_MS = 100

/** Asks for older rows so many times, each time as soon as the last ones stand there. */
const askOlder = (times: number) => `new Promise((done) => {
  let left = ${times}
  const step = () => {
    const button = document.querySelector('.older')
    if (button?.disabled) return
    if (button === null || left-- === 0) { observer.disconnect(); done(); return }
    button.click()
  }
  const observer = new MutationObserver(step)
  observer.observe(document.querySelector('main'), { childList: true, subtree: true, attributes: true, attributeFilter: ['disabled'] })
  step()
})`

test.skipIf(!hasChromium)(
  'the list shows five thousand generations to the last one, and neither fifty more nor a jump through them makes it stutter',
  async () => {
    buildPagesOnce()
    const gateway = await gatewayWithMany(ROWS)
    const { page, complaints, close } = await openPage(`${gateway.url}/generations`)
    const list = page.getByRole('table', { name: 'Generations' })
    await list.getByRole('link', { name: `number ${ROWS}`, exact: true }).waitFor()
    const devtools = await page.context().newCDPSession(page)
    // The processor's time of the page's own thread: what else the machine does is not in it.
    await devtools.send('Performance.enable', { timeDomain: 'threadTicks' })
    const cpuMs = async () => {
      const { metrics } = await devtools.send('Performance.getMetrics')
      return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0) * 1_000
    }
    const costOf = async (script: string) => {
      const before = await cpuMs()
      await page.evaluate(script)
      return (await cpuMs()) - before
    }
    await page.evaluate(askOlder(ROWS / PAGE - 5))
    const more = [await costOf(askOlder(1)), await costOf(askOlder(1)), await costOf(askOlder(1))]
    await page.evaluate(askOlder(2))
    expect(await page.evaluate<number>(`document.querySelectorAll('tbody tr').length`)).toBe(ROWS)
    const jumps: number[] = []
    for (const share of [0.25, 0.5, 0.75, 1])
      jumps.push(
        await costOf(
          `scrollTo(0, document.body.scrollHeight * ${share}); new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))`,
        ),
      )
    // It is the last one: a search by name would read the names of all five thousand.
    expect(await list.locator('tbody:last-of-type tr:last-of-type a').textContent()).toBe('number 1')
    process.stdout.write(
      `5,000 rows: fifty more ${more.map(Math.round).join(', ')} ms, a jump ${jumps.map(Math.round).join(', ')} ms of CPU\n`,
    )
    // A real stutter comes each time.
    expect(Math.min(...more)).toBeLessThan(STUTTER_MS)
    expect(Math.min(...jumps)).toBeLessThan(STUTTER_MS)
    expect(complaints).toEqual([])
    await close()
    await gateway.close()
  },
  180_000,
)
