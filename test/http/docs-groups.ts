import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'

/** All of `/docs` is drawn in such a window: it draws what comes into sight. */
export const HIGHER_THAN_THE_PAGE = 60_000

/** The policy of the page lets nothing ask within it, so it is asked from outside, as long as the test may take. */
async function until(page: Page, script: string): Promise<void> {
  while (!(await page.evaluate<boolean>(script))) await sleep(300)
}

/** Each section of an operation has drawn its command. */
const ALL_DRAWN = `(() => {
  const sections = [...document.querySelectorAll('[id^="api-1/tag/"]')].filter(({ id }) => /\\/(?:GET|POST|DELETE)\\/[^.]*$/.test(id))
  return sections.length > 20 && sections.every((section) => section.querySelector('pre') !== null)
})()`

/** Opens every group; true where there was one to open. A search by role would work out thousands of names each time. */
const OPEN_ALL = `new Promise((done) => {
  const isClosed = (button) => /^Open Group/.test(button.getAttribute('aria-label') ?? button.textContent.trim())
  let opened = 0
  const step = () => {
    const closed = [...document.querySelectorAll('button')].find(isClosed)
    if (closed === undefined) return done(opened > 0)
    closed.click()
    opened++
    requestAnimationFrame(step)
  }
  step()
})`

/** Opens every group of `/docs` and waits until all of it is drawn. */
export async function openAll(page: Page): Promise<void> {
  await until(page, OPEN_ALL)
  await page.setViewportSize({ width: 1440, height: HIGHER_THAN_THE_PAGE })
  await until(page, ALL_DRAWN)
}

/** Nothing more is drawn, and what the reference leaves out has been mended, which comes a moment later. */
const MENDED = `(() => {
  const before = globalThis.drawn
  globalThis.drawn = document.querySelectorAll('#app *').length
  return before === drawn && document.querySelector('.endpoints:not([tabindex]), .scalar-code-copy:not([aria-label])') === null &&
    ![...document.querySelectorAll('pre')].some(({ textContent }) => textContent.includes(" --form '"))
})()`
export const mended = (page: Page) => until(page, MENDED)
