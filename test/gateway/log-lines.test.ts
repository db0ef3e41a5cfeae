import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'

const MODULE = resolve(import.meta.dirname, '../../src/gateway/log-lines.ts')

test.each([
  ['process.exit', 'process.exit(3)', 3],
  ['an error that nobody catches', 'throw new Error("a defect")', 1],
] as const)('the log of a process that ends by %s has every line up to its last turn, in order', (_, end, code) => {
  // The last turn comes before the write of the first one has ended.
  const program = `
    import { LogLines } from '${MODULE}'
    const log = new LogLines(1)
    for (let line = 0; line < 300; line++) log.write(line + 'x'.repeat(100) + '\\n')
    setImmediate(() => {
      log.write('300\\n')
      log.write('301\\n')
      ${end}
    })`
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  expect(status).toBe(code)
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => Number.parseInt(line, 10)),
  ).toEqual(Array.from({ length: 302 }, (_item, line) => line))
})
