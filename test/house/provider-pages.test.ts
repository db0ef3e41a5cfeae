import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { providerPages } from '../../build/provider-pages.ts'
import { readText, ROOT } from '../support/source-tree.ts'

test('each provider has its page in docs/providers, as its manifest says it: `npm run provider-pages` writes them', () => {
  for (const [path, page] of providerPages()) {
    expect(existsSync(join(ROOT, path)), path).toBe(true)
    expect(readText(path), path).toBe(page)
  }
})
