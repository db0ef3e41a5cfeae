import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

const run = promisify(execFile)

test.runIf(existsSync('/proc/self/status'))(
  'a key with another name keeps thousands of generations, and takes no memory for what it would have to undo of them',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'imagegate-renamed-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const { stdout } = await run(process.execPath, [join(import.meta.dirname, 'rename-process.ts'), directory])
    const said = JSON.parse(stdout) as { readonly generations: number; readonly plans: number; readonly took: number }
    expect(said).toMatchObject({ generations: 18_000, plans: 18_000 })
    expect(said.took).toBeLessThan(40)
  },
)
