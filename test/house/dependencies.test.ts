import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { readText, ROOT } from '../support/source-tree.ts'

interface Package {
  readonly dependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
  readonly scripts: Readonly<Record<string, string>>
}
const packageJson = JSON.parse(readText('package.json')) as Package
const page = readText('docs/dependencies.md')

test('docs/dependencies.md gives each runtime dependency, and no other, its reason', () => {
  const rows = [...page.matchAll(/^\| `([^`]+)` \| (.{15,}) \|$/gm)].map(([, name]) => name)
  expect(rows).toEqual(Object.keys(packageJson.dependencies))
  for (const name of Object.keys(packageJson.optionalDependencies)) expect(page).toContain(`\`${name}\``)
})

test('no runtime dependency needs a script to be installed', () => {
  const lock = JSON.parse(readText('package-lock.json')) as {
    readonly packages: Readonly<
      Record<string, { readonly hasInstallScript?: boolean; readonly dev?: boolean; readonly optional?: boolean }>
    >
  }
  const scripted = Object.entries(lock.packages).filter(
    ([, entry]) => entry.hasInstallScript === true && entry.dev !== true && entry.optional !== true,
  )
  expect(scripted.map(([path]) => path)).toEqual([])
})

test('npm run sbom writes every runtime dependency as CycloneDX', { timeout: 60_000 }, () => {
  const [command = '', ...args] = (packageJson.scripts['sbom'] ?? '').split(' ')
  expect(command).toBe('node')
  const bom = JSON.parse(execFileSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 50_000_000 })) as {
    readonly bomFormat: string
    readonly components: readonly { readonly name: string; readonly version: string }[]
  }
  expect(bom.bomFormat).toBe('CycloneDX')
  const listed = new Map(bom.components.map(({ name, version }) => [name, version]))
  for (const [name, version] of Object.entries(packageJson.dependencies)) expect(listed.get(name), name).toBe(version)
})
