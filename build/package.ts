import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { buildPages } from './pages.ts'
import { buildProgram } from './program.ts'

/**
 * Writes `dist/`, which is what the npm package runs: Node reads no TypeScript below node_modules. Beside the program stand its types, the pages,
 * the manifests of the providers and a package.json, in which `#contract` and the like lead to the types.
 */
const ROOT = resolve(import.meta.dirname, '..')
const DIST = join(ROOT, 'dist')

// The pages are replaced at once, at the end, and what the checkout runs stays: a gateway of it may be starting meanwhile.
const STAYS = new Set(['web', 'built'])
for (const name of existsSync(DIST) ? readdirSync(DIST) : [])
  if (!STAYS.has(name)) rmSync(join(DIST, name), { recursive: true, force: true })
execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.package.json')], {
  stdio: 'inherit',
})

if ((await buildProgram(DIST)) === null) throw new Error('the program cannot be built: Vite is not installed; run `npm ci` first')

interface Package {
  readonly name: string
  readonly version: string
  readonly imports: Readonly<Record<string, string>>
}
const { name, version, imports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Package
const toJavaScript = Object.fromEntries(Object.entries(imports).map(([key, path]) => [key, path.replace(/\.ts$/, '.js')]))
writeFileSync(join(DIST, 'package.json'), `${JSON.stringify({ name, version, type: 'module', imports: toJavaScript }, null, 2)}\n`)

if ((await buildPages()) !== 'built') throw new Error('a package without pages: Vite is not installed; run `npm ci` first')
