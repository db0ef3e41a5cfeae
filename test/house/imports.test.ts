import { describe, expect, test } from 'vitest'
import { COMPUTED, filesBelow, importsOf, isSource, isTypeScript, readText, type Import } from '../support/source-tree.ts'
import { wantedMap } from './import-map.ts'
import { ADAPTER_RULE, COMPOSERS, EMULATOR_RULE, IMPORT_RULES, NAMED_FOLDERS, ONLY_IMPORTER, type ImportRule } from './rules.ts'
import { notListed } from './still-open.ts'

const sources = filesBelow(['src'], isTypeScript)
const providerSources = filesBelow(['providers'], isSource)
const importsIn = (files: readonly string[]): readonly Import[] => files.flatMap((file) => importsOf(file))

const isBelow = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`)
const isComposer = (path: string) => COMPOSERS.some((composer) => isBelow(path, composer.path))
const isEmulator = (path: string) => /\/emulator[^/]*\.ts$/.test(path)

const matches = (pattern: string, name: string) =>
  pattern.endsWith('/*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern || name.startsWith(`${pattern}/`)

/** The rule of the longest path that fits. */
const ruleOf = (path: string): ImportRule | undefined =>
  IMPORT_RULES.filter((rule) => isBelow(path, rule.path)).sort((a, b) => b.path.length - a.path.length)[0]

/** The path below src/ an import leads to, or null where it leaves src/. */
function destination({ specifier, target }: Import): string | null {
  if (specifier in NAMED_FOLDERS) return NAMED_FOLDERS[specifier] ?? null
  return target?.startsWith('src/') ? target.slice('src/'.length) : null
}

/** Why a rule forbids an import, or null. `own` is the folder whose files may import one another. */
function objection(rule: ImportRule, own: string, found: Import): string | null {
  const { specifier, typeOnly, target } = found
  if (specifier === COMPUTED) return rule.findsFiles === true ? null : 'an import whose file is known only at run time'
  if (target !== null && isBelow(target, own)) return null
  const led = destination(found)
  if (led !== null) {
    const allowed = [...rule.imports, ...(typeOnly ? (rule.typesOf ?? []) : [])].map((name) => NAMED_FOLDERS[name] ?? name)
    return allowed.some((name) => isBelow(led, name)) ? null : specifier
  }
  if (target === 'package.json') return null
  if (target !== null) return specifier
  if (specifier.startsWith('node:')) {
    const allowed = rule.node === 'any' || (rule.node !== 'none' && rule.node.includes(specifier))
    return typeOnly || allowed ? null : specifier
  }
  return rule.packages.some((name) => matches(name, specifier)) ? null : specifier
}

const shown = (found: Import, why: string) => `${found.path}: ${found.typeOnly ? 'type ' : ''}${why}`

describe('imports', () => {
  test('every file below src/ imports only what its folder’s rule allows', () => {
    const wrong = importsIn(sources.filter((path) => !isComposer(path))).flatMap((found) => {
      const rule = ruleOf(found.path)
      if (rule === undefined) return [`${found.path}: no rule in test/house/rules.ts`]
      const why = objection(rule, rule.path, found)
      return why === null ? [] : [shown(found, why)]
    })
    expect(notListed('imports', wrong)).toEqual([])
  })

  test('a provider’s file imports the contract, the adapter kit, zod and its own folder; only its emulator may import more', () => {
    const wrong = importsIn(providerSources).flatMap((found) => {
      const folder = found.path.split('/').slice(0, 2).join('/')
      const why = objection(isEmulator(found.path) ? EMULATOR_RULE : ADAPTER_RULE, folder, found)
      return why === null ? [] : [shown(found, why)]
    })
    expect(wrong).toEqual([])
  })

  test('an adapter never reaches its emulator', () => {
    const wrong = importsIn(providerSources).filter(({ path, target }) => !isEmulator(path) && target !== null && isEmulator(target))
    expect(wrong.map(({ line }) => line)).toEqual([])
  })

  test.each(Object.entries(ONLY_IMPORTER))('%s is imported below %s and nowhere else', (name, only) => {
    const elsewhere = importsIn([...sources, ...providerSources]).filter(
      ({ specifier, path }) => matches(name, specifier) && !isBelow(path, only),
    )
    expect(elsewhere.map(({ line }) => line)).toEqual([])
  })

  test('gateway/, cli/ and main.ts are imported by nothing else, and nothing below src/ imports a provider’s file by name', () => {
    const wrong = importsIn(sources).filter(({ target, path }) => {
      if (target === null) return false
      return target.startsWith('providers/') || (isComposer(target) && !isComposer(path))
    })
    expect(wrong.map(({ line, specifier }) => `${line}: ${specifier}`)).toEqual([])
  })

  test('src/README.md has the import table of these rules (`npm run map` writes it)', () => {
    expect(readText('src/README.md')).toBe(wantedMap())
  })

  test('every rule is about something that is there', () => {
    const paths = [...IMPORT_RULES, ...COMPOSERS].map(({ path }) => path)
    expect(paths.filter((path) => !sources.some((file) => isBelow(file, path)))).toEqual([])
  })

  test('relative imports end in .ts, .tsx or .json, in the pages in .css too, and never reach into node_modules', () => {
    const wrong = importsIn([...sources, ...providerSources]).filter(
      ({ specifier, path }) =>
        (specifier.startsWith('.') && !(path.startsWith('src/web/') ? /\.(ts|tsx|json|css)$/ : /\.(ts|tsx|json)$/).test(specifier)) ||
        specifier.includes('node_modules'),
    )
    expect(wrong.map(({ line, specifier }) => `${line}: ${specifier}`)).toEqual([])
  })
})
