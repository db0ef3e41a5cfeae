import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { sideways } from './browser.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Loads axe into the page as it stands now. */
export const useAxe = (page: Page): Promise<unknown> => page.evaluate(AXE)

interface Fault {
  readonly id: string
  readonly nodes: readonly { readonly target: readonly string[] }[]
}

async function axe(page: Page, within: string, options: string): Promise<readonly string[]> {
  const faults = await page.evaluate<Fault[]>(`axe.run('${within}', ${options}).then(({ violations }) => violations)`)
  return faults.map(
    ({ id, nodes }) =>
      `${id}: ${nodes
        .slice(0, 3)
        .map(({ target }) => target.join(' '))
        .join(', ')}`,
  )
}

/**
 * What axe finds at this width, and by how much the page scrolls sideways. Only colours differ between the themes; they are passed over where they
 * were judged at another width, and so is all that is in none of the `rules`.
 */
export async function faultsOf(
  page: Page,
  within: string,
  { colours = true, rules = [] as readonly string[] } = {},
): Promise<readonly string[]> {
  if (!colours) {
    const options = rules.length > 0 ? { runOnly: rules } : { rules: { 'color-contrast': { enabled: false } } }
    return [
      ...(await axe(page, within, JSON.stringify({ ...options, resultTypes: ['violations'], preload: false }))),
      ...(await tooWide(page)),
    ]
  }
  await page.emulateMedia({ colorScheme: 'light' })
  const light = await axe(page, within, '{ resultTypes: ["violations"], preload: false }')
  await page.emulateMedia({ colorScheme: 'dark' })
  const dark = await axe(page, within, '{ runOnly: ["color-contrast"], resultTypes: ["violations"], preload: false }')
  return [...light, ...dark.map((fault) => `dark: ${fault}`), ...(await tooWide(page))]
}

async function tooWide(page: Page): Promise<readonly string[]> {
  const over = await sideways(page)
  return over > 0 ? [`scrolls sideways by ${over}`] : []
}
