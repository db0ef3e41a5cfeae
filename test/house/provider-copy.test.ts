import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { providerFolders } from '../support/installed-providers.ts'
import { filesBelow, ROOT } from '../support/source-tree.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

const COPY = 'copycat'
const LEFT_OUT = new Set(['node_modules', '.git', 'data', 'demo-images', 'coverage', 'dist'])

const checkout = mkdtempSync(join(tmpdir(), 'imagegate-copy-'))
afterAll(() => rmSync(checkout, { recursive: true, force: true }))

/** The checkout with one provider's folder copied under another name: what somebody who adds a provider does first. */
function checkoutWithCopy(original: string): void {
  cpSync(ROOT, checkout, { recursive: true, filter: (path) => !LEFT_OUT.has(path.slice(ROOT.length + 1)) })
  symlinkSync(join(ROOT, 'node_modules'), join(checkout, 'node_modules'))
  const folder = join(checkout, 'providers', COPY)
  cpSync(join(checkout, 'providers', original), folder, { recursive: true })
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as { readonly auth: object }
  const renamed = { ...manifest, id: COPY, auth: { ...manifest.auth, env: 'COPYCAT_API_KEY' } }
  writeFileSync(join(folder, 'manifest.json'), `${JSON.stringify(renamed, null, 2)}\n`)
  // The options of a request stand under the provider's id, in its cases and in its matrix.
  for (const path of filesBelow([`providers/${original}`], (name) => /\.(json|md)$/.test(name))) {
    const copied = join(folder, path.slice(`providers/${original}/`.length))
    writeFileSync(copied, readFileSync(copied, 'utf8').replaceAll(`"${original}": {`, `"${COPY}": {`))
  }
}

/** Runs these tests in the checkout with the copy; what it prints where it fails. */
async function runTests(...filters: readonly string[]): Promise<string> {
  const program = join(checkout, 'node_modules/vitest/vitest.mjs')
  const child = spawn(process.execPath, [program, 'run', '--reporter=dot', '--maxWorkers=2', ...filters], {
    cwd: checkout,
    env: { ...BARE_ENVIRONMENT, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  return code === 0 ? 'all tests pass' : printed.slice(-6_000)
}

describe('a provider is one folder: a copy of one under another name', () => {
  const [original = ''] = providerFolders().toReversed()

  test('passes the exam of all providers, and no other test notices it', { timeout: 300_000 }, async () => {
    checkoutWithCopy(original)
    // Its own part of the tests that every provider takes, then those that could count or list providers.
    expect(await runTests('test/conformance', 'test/matrix', 'test/money', `providers/${COPY}`, '-t', COPY)).toBe('all tests pass')
    expect(await runTests('test/house/container', 'test/house/names', 'test/catalogue', 'test/e2e/routes')).toBe('all tests pass')
  })
})
