import { describe, expect, test } from 'vitest'
import { filesBelow, foldersOf, isTypeScript, readText } from '../support/source-tree.ts'
import { providerFolders, readManifest } from '../support/installed-providers.ts'
import { MAY_NAME_VENDORS } from './rules.ts'
import { notListed } from './still-open.ts'

const code = filesBelow(['src', 'providers', 'test', 'bench'])
const FORBIDDEN = /^(utils?|helpers?|common|misc|types|managers?|services?)$/

/** Words of English that are also the name of a vendor: in our sentences they mean what they always meant. */
const ENGLISH = new Set(['together', 'replicate'])

/** Names of shapes, which several vendors' APIs have; one of these vendors may be in the name. */
const SHAPES = new RegExp(["'openai-images'", '"openai-images"', '`openai-images`', 'shape: openai-images'].join('|'), 'g')

/** Words that name a vendor: its folder, its manifest's id and title, and the names its hosts are known by. */
function vendorWords(): readonly string[] {
  const words = providerFolders().flatMap((folder) => {
    const manifest = readManifest(folder)
    const domains = manifest.hosts.map((host) => host.split('.').at(-2) ?? '')
    return [folder, manifest.id, manifest.title, ...domains]
  })
  return [...new Set(words.map((word) => word.toLowerCase()).filter((word) => word.length >= 3 && !ENGLISH.has(word)))]
}

/** A word of its own in any case, or a part of a name in camel case: `runware`, `viaRunware`, `RUNWARE_KEY`, `runwareCall`. */
function spellingOf(words: readonly string[]): RegExp {
  const escaped = words.map((word) => word.replaceAll(/[^a-z0-9]/g, '\\$&'))
  const alone = escaped.flatMap((word) => [word, word.toUpperCase(), capital(word)]).join('|')
  const inside = escaped.map((word) => capital(word)).join('|')
  return new RegExp(`(?<![A-Za-z])(${alone})(?![a-z])|(?<=[a-z])(${inside})(?![a-z])`)
}

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1)

describe('names', () => {
  test('no file or folder has a name that says nothing', () => {
    const parts = [...code, ...foldersOf(code)].filter((path) => path.split('/').some((part) => FORBIDDEN.test(part.split('.')[0] ?? '')))
    expect(parts).toEqual([])
  })

  test('TypeScript files and their folders are kebab-case', () => {
    const sources = code.filter((path) => isTypeScript(path))
    const stem = (part: string) => part.replace(/\.(test|bench|d)?\.?tsx?$/, '')
    const wrong = sources.filter((path) => !path.split('/').every((part) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(stem(part))))
    expect(wrong).toEqual([])
  })

  test(`no vendor is named below src/, not even in a comment, but in ${MAY_NAME_VENDORS.join(', ')}`, () => {
    const words = vendorWords()
    expect(words.length).toBeGreaterThan(0)
    const pattern = spellingOf(words)
    const mayNot = filesBelow(['src']).filter(
      (path) => !path.endsWith('.md') && !MAY_NAME_VENDORS.some((folder) => path.startsWith(folder)),
    )
    const named = mayNot.flatMap((path) =>
      readText(path)
        .split('\n')
        .flatMap((line) => (pattern.test(line.replaceAll(SHAPES, '')) ? [`${path}: ${line.trim()}`] : [])),
    )
    expect(notListed('vendorNames', [...named, ...mayNot.filter((path) => pattern.test(path))])).toEqual([])
  })
})
