import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { PROVIDERS, providerFolders } from '../support/installed-providers.ts'
import { ROOT } from '../support/source-tree.ts'

const NAME = 'a-copy'
/** What examines a provider's folder; its emulator is examined by the folder's own tests. */
const SUITE = ['manifest', 'cases', 'after-the-purchase', 'exam'].map((name) => `test/conformance/${name}.test.ts`)
const TABLES = ['test/matrix', 'test/money/golden']
const isTheCopy = process.env['IMAGEGATE_PROVIDERS_UNDER_TEST'] !== undefined

/** A folder beside `providers` that holds one copy, so that the other tests of this run do not see it. */
function copyOf(id: string): string {
  const folder = mkdtempSync(join(ROOT, '.copied-provider-'))
  cpSync(join(PROVIDERS, id), join(folder, NAME), { recursive: true })
  const rename = (file: string, change: (text: string) => string) => {
    const path = join(folder, NAME, file)
    writeFileSync(path, change(readFileSync(path, 'utf8')))
  }
  rename('manifest.json', (text) => text.replace(`"id": "${id}"`, `"id": "${NAME}"`))
  return folder
}

// Every other provider's folder is like this one: the exam is the same for all.
test.skipIf(isTheCopy).each(providerFolders().slice(0, 1))(
  'a copy of the folder of %s under another name passes the provider’s tests and the exam',
  async (id) => {
    const folder = copyOf(id)
    try {
      const env = { ...process.env, IMAGEGATE_PROVIDERS_UNDER_TEST: basename(folder) }
      const paths = [...SUITE, ...TABLES, `${basename(folder)}/${NAME}/test`]
      const ran = promisify(execFile)(
        process.execPath,
        [
          join(ROOT, 'node_modules/vitest/vitest.mjs'),
          'run',
          '--config',
          'test/conformance/copied-folder.config.ts',
          '--reporter',
          'json',
          ...paths,
        ],
        { cwd: ROOT, env, maxBuffer: 64 * 1_024 * 1_024 },
      ).catch((error: { readonly stdout: string }) => error)
      const report = JSON.parse((await ran).stdout) as Report
      const failed = report.testResults.flatMap(({ name, assertionResults, message }) =>
        assertionResults.length === 0
          ? [`${name}: ${message}`]
          : assertionResults
              .filter(({ status }) => status === 'failed')
              .map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]}`),
      )
      expect(failed).toEqual([])
      expect(report.numPassedTests).toBeGreaterThan(100)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  300_000,
)

interface Report {
  readonly numPassedTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly status: string
      readonly fullName: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}
