import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { launchGateway } from '../e2e/gateway.ts'
import { ROOT } from '../support/source-tree.ts'
import { launchChromium } from '../support/chromium.ts'
import { buildPagesOnce, openPage } from './browser.ts'

/** Writes each page in both themes and three widths to docs/img, from a fresh sandbox. */
const FOLDER = join(ROOT, 'docs/img')
const ONLY = process.argv[2]

buildPagesOnce()
mkdirSync(FOLDER, { recursive: true })
const gateway = await launchGateway({ typicalMs: 400 })
const browser = await launchChromium()
const request = { model: 'flux-2-pro', width: 1536, height: 1024, seed: 7 }
const compare = async (prompt: string): Promise<string> => {
  const reply = await gateway.post('/v1/comparisons', { ...request, prompt }, { prefer: 'wait=30' })
  return ((await reply.json()) as { id: string }).id
}
await compare('tall pines in October sandbox:moderated@vtrix')
await compare('night ridge, no animals sandbox:lost-reply@bfl')
const id = await compare('a red fox on a hill at first light, misty valleys behind')
const { data } = (await (await gateway.ask('/v1/generations?limit=1')).json()) as { data: { id: string }[] }
const PAGES = {
  'compare-ask': '/',
  compare: `/?c=${id}`,
  generations: '/generations',
  generation: `/generations/${data[0]?.id}`,
  costs: '/costs',
  providers: '/providers',
}
for (const theme of ['light', 'dark'] as const) {
  for (const width of [360, 1440, 2560]) {
    const { page, close } = await openPage(gateway.url, { width, height: width === 360 ? 780 : 900, theme })
    for (const [name, path] of Object.entries(PAGES)) {
      const file = `${name}-${width}-${theme}`
      if (ONLY !== undefined && !file.includes(ONLY)) continue
      await page.goto(`${gateway.url}${path}`)
      await page.waitForLoadState('networkidle')
      if (name === 'compare-ask')
        await page.getByRole('textbox', { name: 'Prompt' }).fill('a red fox on a hill at first light, misty valleys behind')
      await page.screenshot({ path: join(FOLDER, `${file}.png`) })
    }
    await close()
  }
}
await browser.close()
await gateway.close()
