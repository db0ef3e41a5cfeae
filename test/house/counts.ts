import { filesBelow, isTypeScript, readText, syntaxOf, type Syntax } from '../support/source-tree.ts'
import { beginsWithAThing, testNames } from './titles.ts'
import { countWords, hasBannedWord } from './words.ts'

/** How often each fault stands in each area; the file test/house/maxima.json holds the most that is allowed. */
export type Counts = Readonly<Record<string, Readonly<Record<string, number>>>>

const isTest = (path: string) => /^(test|bench)\/|^providers\/[^/]+\/test\//.test(path)
const ABOUT_WORDS = new Set(['test/house/words.ts', 'test/house/words.test.ts', 'test/house/still-open.ts'])

const code = filesBelow(['src', 'providers', 'test', 'bench'], (path) => isTypeScript(path) && !ABOUT_WORDS.has(path))
const shipped = code.filter((path) => !isTest(path))

/** Reads every file, so a value is found once. */
function once<Value>(find: () => Value): () => Value {
  let found: { readonly value: Value } | null = null
  return () => (found ??= { value: find() }).value
}

/** What users may read: texts in quotes, parts of templates; not what is imported. */
function textsOf(path: string): readonly string[] {
  return [...syntaxOf(path)].flatMap(({ node, ancestors }) => {
    if (ancestors.at(-1)?.['source'] === node) return []
    if (node.type === 'Literal' && typeof node['value'] === 'string') return [node['value']]
    if (node.type === 'TemplateElement') return [(node as Syntax & { readonly value: { readonly cooked: string } }).value.cooked]
    return []
  })
}

const sum = (all: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> => {
  const total: Record<string, number> = {}
  for (const counts of all) for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count
  return total
}

const countIn = (paths: readonly string[]) => sum(paths.map((path) => countWords(`${path}\n${readText(path)}`)))

/** Texts with a banned word that a user may read, each with its file. */
export const bannedTexts = once(() =>
  shipped
    .filter((path) => hasBannedWord(readText(path)))
    .flatMap((path) =>
      textsOf(path)
        .filter((text) => hasBannedWord(text))
        .map((text) => `${path}: ${text}`),
    ),
)

/** Names of tests that do not begin with the thing tested, each with its file. */
export const headlessNames = once(() =>
  code.filter(isTest).flatMap((path) =>
    testNames(path)
      .filter((name) => !beginsWithAThing(name))
      .map((name) => `${path}: ${name}`),
  ),
)

export const currentCounts = (): Counts => ({
  'words in src/': countIn(shipped.filter((path) => path.startsWith('src/'))),
  'words in providers/': countIn(shipped.filter((path) => path.startsWith('providers/'))),
  'words in tests and bench/': countIn(code.filter(isTest)),
  texts: { 'that users may read': bannedTexts().length },
  'names of tests': { 'that do not begin with the thing tested': headlessNames().length },
})
