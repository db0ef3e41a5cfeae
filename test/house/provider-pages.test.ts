import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { providerPages } from '../../build/provider-pages.ts'
import { providerFolders, readManifest } from '../support/installed-providers.ts'
import { readText, ROOT } from '../support/source-tree.ts'

test('each provider has its page in docs/providers, as its manifest says it: `npm run provider-pages` writes them', () => {
  for (const [path, page] of providerPages()) {
    expect(existsSync(join(ROOT, path)), path).toBe(true)
    expect(readText(path), path).toBe(page)
  }
})

test('the first screen of the README counts the providers, models and offers that are installed, and names each provider', () => {
  const manifests = providerFolders().map(readManifest)
  const models = manifests.flatMap((manifest) => Object.keys(manifest.models))
  const [firstScreen = ''] = readText('README.md').split('\n## ')
  expect(firstScreen).toContain(`**${manifests.length} providers, ${new Set(models).size} models, ${models.length} offers**`)
  expect(manifests.filter(({ title }) => !firstScreen.includes(`**${title}**`)).map(({ title }) => title)).toEqual([])
})
