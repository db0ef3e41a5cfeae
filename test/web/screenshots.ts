import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { launchGateway } from '../e2e/gateway.ts'
import { ROOT } from '../support/source-tree.ts'
import { sharedChromium } from '../support/chromium.ts'
import { buildPagesOnce, openPage } from './browser.ts'
import { builtSheet, SHEET_URL } from './sheet-page.ts'

/** Writes each page in both themes and three widths, and the sheet of states in both themes, to docs/img, from a fresh sandbox. A name as an argument writes those files alone. */
const FOLDER = join(ROOT, 'docs/img')
const ONLY = process.argv[2] ?? ''
const PROMPT = 'a red fox on a hill at first light, misty valleys behind'
const THEMES = ['light', 'dark'] as const

buildPagesOnce()
mkdirSync(FOLDER, { recursive: true })
const gateway = await launchGateway({ typicalMs: 400 })
const request = { model: 'flux-2-pro', width: 1536, height: 1024, seed: 7 }
const compare = async (prompt: string, wait = 30): Promise<string> => {
  const reply = await gateway.post('/v1/comparisons', { ...request, prompt }, { prefer: `wait=${wait}` })
  return ((await reply.json()) as { id: string }).id
}
await compare('tall pines in October sandbox:moderated@vtrix')
await compare('night ridge, no animals sandbox:lost-reply@bfl')
const id = await compare(PROMPT)
const { data } = (await (await gateway.ask('/v1/generations?limit=1')).json()) as { data: { id: string }[] }
const states = await compare('a duel at dawn sandbox:moderated@vtrix sandbox:never@bfl sandbox:lost-reply@runware', 8)

const press = (key: string) => async (page: Page) => {
  await page.evaluate('document.activeElement.blur()')
  await page.keyboard.press(key)
}
const blind = (page: Page) => page.getByRole('button', { name: 'Blind vote' }).click()
/** The name of each file, its page, and what is done there first. */
const PAGES: Readonly<
  Record<string, { readonly path: string; readonly widths?: readonly number[]; readonly before?: (page: Page) => Promise<unknown> }>
> = {
  'compare-ask': { path: '/', before: (page) => page.getByRole('textbox', { name: 'Prompt' }).fill(PROMPT) },
  compare: { path: `/?c=${id}` },
  'compare-running': { path: `/?c=${states}`, widths: [1440] },
  'compare-wipe': { path: `/?c=${id}`, widths: [1440], before: press('w') },
  'compare-blind': { path: `/?c=${id}`, widths: [1440], before: blind },
  generations: { path: '/generations' },
  generation: { path: `/generations/${data[0]?.id}` },
  costs: { path: '/costs' },
  providers: { path: '/providers' },
}
for (const theme of THEMES) {
  for (const width of [360, 1440, 2560]) {
    const { page, close } = await openPage(gateway.url, { width, height: width === 360 ? 780 : 900, theme })
    for (const [name, { path, widths = [width], before }] of Object.entries(PAGES)) {
      const file = `${name}-${width}-${theme}`
      if (!file.includes(ONLY) || !widths.includes(width)) continue
      await page.goto(`${gateway.url}${path}`)
      // Open generations are followed: their page is never idle.
      await page.waitForLoadState('networkidle', { timeout: 4_000 }).catch(() => undefined)
      await before?.(page)
      if (name === 'costs' && width !== 360) await page.setViewportSize({ width, height: 1_335 })
      await page.waitForTimeout(400)
      await page.screenshot({ path: join(FOLDER, `${file}.png`), fullPage: width !== 360 && name !== 'costs' })
    }
    await close()
  }
}
if ('states'.includes(ONLY)) await writeSheet()
await (await sharedChromium()).close()
await gateway.close()

/** Both themes beside one another. */
async function writeSheet(): Promise<void> {
  const sheet = await builtSheet()
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-states-'))
  const halves: { input: string; left: number; top: number }[] = []
  for (const [at, theme] of THEMES.entries()) {
    const { page, close } = await openPage(SHEET_URL, { width: 720, height: 1_440, theme, prepare: sheet.serve })
    await page.getByText('Show October').waitFor()
    const input = join(folder, `${theme}.png`)
    await page.screenshot({ path: input })
    halves.push({ input, left: at * 720, top: 0 })
    await close()
  }
  await sharp({ create: { width: 1440, height: 1_440, channels: 3, background: '#888' } })
    .composite(halves)
    .png()
    .toFile(join(FOLDER, 'states.png'))
  rmSync(folder, { recursive: true })
  sheet.remove()
}
