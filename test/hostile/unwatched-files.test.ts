import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startUnder } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'

/** A system of which other programs have taken every watch there is: none is left in a namespace of its own. */
const NO_WATCHES = 'echo 0 > /proc/sys/user/max_inotify_instances'
const isPossible = spawnSync('unshare', ['--user', '--map-root-user', 'sh', '-c', NO_WATCHES]).status === 0

const keyOf = (name: string): string => `a-key-of-${name}-that-is-long`
const keys = (...names: readonly string[]): string =>
  `keys: [${names.map((name) => `{ name: ${name}, key_hash: ${createHash('sha256').update(keyOf(name)).digest('hex')} }`).join(', ')}]\n`

let server: ServerProcess
let folder: string
let file: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-unwatched-'))
  file = join(folder, 'imagegate.yaml')
  writeFileSync(file, keys('stays', 'goes'))
  if (isPossible)
    server = await startUnder(
      `exec unshare --user --map-root-user sh -c '${NO_WATCHES} && exec "$0" "$@"' "$0" "$@"`,
      { IMAGEGATE_CONFIG: file, IMAGEGATE_DATA: join(folder, 'data') },
      { providers: ['bfl'], sandboxTypicalMs: 20 },
    )
}, 60_000)
afterAll(async () => {
  if (isPossible) await server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

const statusOf = async (name: string): Promise<number> =>
  (await fetch(`${server.url}/v1/models`, { headers: { authorization: `Bearer ${keyOf(name)}` } })).status

describe.skipIf(!isPossible)('where no folder can be watched', () => {
  test('a key that is taken out of the file counts no more within seconds, and a file that stays as it is is not read again', async () => {
    expect([await statusOf('stays'), await statusOf('goes')]).toEqual([200, 200])
    writeFileSync(file, keys('stays'))
    await expect.poll(() => statusOf('goes'), { timeout: 10_000 }).toBe(401)
    expect(await statusOf('stays')).toBe(200)
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    expect(server.said().match(/configuration (is refused|is in force|was read again)/g)).toHaveLength(1)
  }, 60_000)

  test('a key that is taken out while the file is read counts no more either', async () => {
    const many = Array.from({ length: 8_000 }, (_, index) => `many-${index}`)
    writeFileSync(file, keys('stays', 'goes', ...many))
    server.signal('SIGHUP')
    // Not before the reading has begun, which takes a second, and not behind it.
    await new Promise((resolve) => setTimeout(resolve, 150))
    writeFileSync(file, keys('stays', ...many))
    await expect.poll(() => statusOf('many-0'), { timeout: 28_000 }).toBe(200)
    await expect.poll(() => statusOf('goes'), { timeout: 28_000 }).toBe(401)
    expect(await statusOf('stays')).toBe(200)
  }, 60_000)
})
