import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { writeFiles } from '../catalogue/fake-providers.ts'
import { LONE_MANIFESTS } from '../support/lone-manifests.ts'
import { ROOT } from '../support/source-tree.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

/** The exam of the providers in a folder, as a process of its own; what it printed. */
async function exam(folder: string): Promise<{ readonly code: number | null; readonly printed: string }> {
  const files = ['exam', 'manifest.test', 'after-the-purchase'].map((name) => `test/conformance/${name}`)
  const child = spawn(process.execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--reporter=dot', ...files], {
    cwd: ROOT,
    env: { ...BARE_ENVIRONMENT, NO_COLOR: '1', EXAMINED_PROVIDERS: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (printed += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, printed }
}

test('folders that hold a manifest alone, of either shape, pass the exam of all providers', { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-alone-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  await writeFiles(folder, LONE_MANIFESTS)
  const { code, printed } = await exam(folder)
  expect(code, printed.slice(-6_000)).toBe(0)
  const [, passed] = /Tests\s+(\d+) passed/.exec(printed) ?? []
  expect(Number(passed)).toBeGreaterThan(200)
})
