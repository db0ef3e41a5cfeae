import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readText, ROOT } from '../support/source-tree.ts'

const folder = mkdtempSync(join(tmpdir(), 'imagegate-chromium-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The script on a machine without a browser, with these programs instead of its own. */
function install(programs: Readonly<Record<string, string>>, environment: Readonly<Record<string, string>> = {}) {
  const bin = mkdtempSync(join(folder, 'bin-'))
  for (const [name, body] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  const script = join(bin, 'install-chromium.sh')
  writeFileSync(script, readText('test/support/install-chromium.sh').replaceAll('/usr/bin/', `${bin}/none/`))
  const { status, stderr, stdout } = spawnSync('/bin/sh', [script], { cwd: ROOT, encoding: 'utf8', env: { PATH: bin, ...environment } })
  return { status, stderr, stdout }
}

const NOT_TESTED = /NOT tested\.\n$/

describe('the script before the tests', () => {
  test.each([
    ['where there is no apt-get', {}, {}, /there is no apt-get/],
    ['for a user who is not root', { 'apt-get': 'exit 9', id: 'echo 1000' }, {}, /only root may install it/],
    ['with CHROMIUM=none', { 'apt-get': 'exit 9', id: 'echo 0' }, { CHROMIUM: 'none' }, /CHROMIUM=none/],
    ['where apt-get fails', { 'apt-get': 'exit 9', id: 'echo 0' }, {}, /could not be installed/],
  ])('goes on without Chromium %s, and says that it is not tested and why', (_, programs, environment, why) => {
    const { status, stderr, stdout } = install(programs, environment)
    expect([status, stdout]).toEqual([0, ''])
    expect(stderr).toMatch(why)
    expect(stderr).toMatch(NOT_TESTED)
  })

  test('installs it by apt-get as root, and says so first', () => {
    const { status, stderr } = install({ 'apt-get': `echo "$@" >> ${folder}/asked`, id: 'echo 0' })
    expect([status, stderr]).toEqual([0, expect.stringMatching(/^Chromium: not installed; apt-get installs it now\. .*\n$/)])
    expect(readFileSync(join(folder, 'asked'), 'utf8')).toBe('update -qq\ninstall -y -qq --no-install-recommends chromium\n')
  })

  test('does nothing where CHROMIUM names a browser', () => {
    expect(install({}, { CHROMIUM: '/bin/sh' })).toEqual({ status: 0, stdout: '', stderr: '' })
  })
})
