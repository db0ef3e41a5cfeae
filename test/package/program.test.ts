import { mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { buildOf, namesIn, programFile } from '../../bin/program.mjs'

/** A checkout of two sources and one provider, of which there is a build; a dependency went into it too. */
function builtCheckout(): string {
  const root = mkdtempSync(join(tmpdir(), 'imagegate-program-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  for (const folder of ['src', 'providers/one', 'node_modules/zod', 'dist/built/program-1'])
    mkdirSync(join(root, folder), { recursive: true })
  const files = ['src/main.ts', 'src/app.ts', 'providers/one/adapter.ts', 'node_modules/zod/index.js'].map((path) => {
    writeFileSync(join(root, path), '// as it was\n')
    const { size, mtimeMs } = statSync(join(root, path))
    return [path, size, mtimeMs]
  })
  const folders = ['providers', 'providers/one'].map((path) => [path, namesIn(join(root, path))])
  writeFileSync(join(root, 'dist/built/current.json'), JSON.stringify({ folder: 'program-1', files, folders }))
  return root
}

test('a checkout runs what was built where nothing changed since', () => {
  const root = builtCheckout()
  expect(programFile('src/main', root)).toBe(join(root, 'dist/built/program-1/src/main.js'))
})

test.each([
  ['a source is written, as long as before', 'src/app.ts', (path: string) => writeFileSync(path, '// as it is!\n')],
  ['a source is gone', 'src/app.ts', (path: string) => rmSync(path)],
  ['an older source is put back', 'src/app.ts', (path: string) => utimesSync(path, 1, 1)],
  ['a dependency is edited', 'node_modules/zod/index.js', (path: string) => writeFileSync(path, '// debug\n')],
  ['a provider gets a file', 'providers/one', (path: string) => writeFileSync(join(path, 'emulator.ts'), '')],
  ['there is a new provider', 'providers', (path: string) => mkdirSync(join(path, 'two'))],
] as const)('a checkout never runs an old build: where %s, the sources run and it can be said why', (_, changed, change) => {
  const root = builtCheckout()
  change(join(root, changed))
  expect(programFile('src/main', root)).toBe(join(root, 'src/main.ts'))
  expect(buildOf(root)?.change).toBe(changed)
})

test('a checkout without a build runs its sources, and a package without sources what it has', () => {
  const root = builtCheckout()
  rmSync(join(root, 'dist/built'), { recursive: true })
  expect(programFile('src/main', root)).toBe(join(root, 'src/main.ts'))
  rmSync(join(root, 'src'), { recursive: true })
  expect(programFile('src/main', root)).toBe(join(root, 'dist/src/main.js'))
})
