import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { PriceEntry } from '#contract'
import { PRICES_PAGE, pricesPage, publishedPrices } from '../../build/prices.ts'
import { readText, ROOT } from '../support/source-tree.ts'

test('docs/prices.md is as the manifests say, on whatever day it is written: `npm run prices` writes it', async () => {
  const [today, inAYear] = await Promise.all([publishedPrices(Date.parse('2026-11-28')), publishedPrices(Date.parse('2027-11-28'))])
  expect(readText(PRICES_PAGE)).toBe(pricesPage(today))
  expect(pricesPage(inAYear)).toBe(pricesPage(today))
  expect(inAYear.filter(({ price, warning }) => (price === null) !== (warning === null))).toEqual([])
  expect(today.find(({ as_of }) => as_of === '2026-11-21')?.warning).toBeNull()
})

test('`npm run -s prices` prints an entry for each offer, the amounts as quotes have them, and says which were read over 60 days ago', async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['build/prices.ts', '--check'], { cwd: ROOT })
  const printed = z.array(PriceEntry).parse(JSON.parse(stdout))
  expect(printed).toEqual((await publishedPrices(Date.now())).map((entry, index) => ({ ...entry, warning: printed[index]?.warning })))
  for (const { provider, model, warning } of printed) if (warning !== null) expect(stderr).toContain(`${provider} ${model}: ${warning}`)
})
