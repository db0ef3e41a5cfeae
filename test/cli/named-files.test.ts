import { execFile, execFileSync, spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { ROOT } from '../support/source-tree.ts'

const PROGRAM = join(ROOT, 'bin/imagegate.mjs')
const folder = mkdtempSync(join(tmpdir(), 'imagegate-named-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const inFolder = (name: string): string => join(folder, name)
/** Nobody ever writes into it. */
const FIFO = inFolder('fifo.csv')
execFileSync('mkfifo', [FIFO])
/** As long as it says, though it takes nothing of the disk. */
const LARGE = inFolder('large.csv')
writeFileSync(LARGE, '')
truncateSync(LARGE, 2 ** 32)
writeFileSync(inFolder('key-from-fifo.yaml'), 'providers: { bfl: { api_key: ${BFL_API_KEY} } }\n')
for (const [name, target] of [
  ['fifos', FIFO],
  ['endless', '/dev/zero'],
] as const) {
  mkdirSync(inFolder(name))
  symlinkSync(target, join(inFolder(name), 'imagegate.db'))
}

/** A real command that has half a gigabyte: reading an endless file takes that in seconds. */
const ended = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<{ code: unknown; err: string }> =>
  new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--max-old-space-size=256', PROGRAM, ...args],
      { env: { ...BARE_ENVIRONMENT, IMAGEGATE_DATA: inFolder('data'), ...env }, timeout: 60_000 },
      (error, _stdout, err) => resolve({ code: error === null ? 0 : error.code, err }),
    )
  })

const GENERATE = ['generate', 'x', '--model', 'm', '--url', 'http://127.0.0.1:9']
const NO_FILE = 'it is a FIFO, a socket or a device, and a file is needed'
const REFUSED: readonly (readonly [args: readonly string[], said: string, env?: Readonly<Record<string, string>>])[] = [
  [['reconcile', FIFO, '--url', 'http://127.0.0.1:9'], `${FIFO}: ${NO_FILE}`],
  [['reconcile', '/dev/zero', '--url', 'http://127.0.0.1:9'], `/dev/zero: ${NO_FILE}`],
  [['reconcile', LARGE, '--url', 'http://127.0.0.1:9'], `${LARGE}: it is larger than 16 MB`],
  [['learn', FIFO], `${FIFO} cannot be read: ${NO_FILE}`],
  [['learn', '/dev/zero'], `/dev/zero cannot be read: ${NO_FILE}`],
  [['learn', LARGE], `${LARGE} cannot be read: it is larger than 20 MB`],
  [[...GENERATE, '--ref', FIFO], `--ref ${FIFO}: cannot be read (${NO_FILE})`],
  [[...GENERATE, '--ref', LARGE], `--ref ${LARGE}: cannot be read (it is larger than 256 MB)`],
  [[...GENERATE, '--mask', '/dev/zero'], `--mask /dev/zero: cannot be read (${NO_FILE})`],
  [['serve', '--config', FIFO], `${FIFO}: the configuration file cannot be read (${NO_FILE})`],
  [['serve', '--config', LARGE], `${LARGE}: the configuration file cannot be read (it is larger than 10 MB)`],
  [
    ['serve', '--config', inFolder('key-from-fifo.yaml')],
    `BFL_API_KEY_FILE: ${FIFO} cannot be read (${NO_FILE})`,
    { BFL_API_KEY_FILE: FIFO },
  ],
  [['serve', '--config', inFolder('key-from-fifo.yaml')], 'BFL_API_KEY_FILE: /dev/zero cannot be read', { BFL_API_KEY_FILE: '/dev/zero' }],
  [['migrate', '--from', `file:${inFolder('fifos')}/imagegate.db`, '--to', 'postgres://127.0.0.1:9/none'], inFolder('fifos')],
  [['migrate', '--from', `file:${inFolder('endless')}/imagegate.db`, '--to', 'postgres://127.0.0.1:9/none'], inFolder('endless')],
]

/** Four at once: each is a process that starts. */
const LINES = [0, 1, 2, 3].map((line) => REFUSED.filter((_, index) => index % 4 === line))

test('a command that is given a FIFO, a device or a file that is too large says so and ends, whatever the file is for', async () => {
  await Promise.all(
    LINES.map(async (line) => {
      for (const [args, said, env] of line) {
        const { code, err } = await ended(args, env)
        expect(err, args.join(' ')).toContain(said)
        expect(code, args.join(' ')).toBe(1)
        expect(err).not.toMatch(/^ {4}at /m)
      }
    }),
  )
}, 120_000)

test('a prompt from standard input that never ends is refused once it is longer than a prompt can be', async () => {
  const child = spawn('sh', ['-c', `exec "$0" "$1" generate - --model m --url http://127.0.0.1:9 < /dev/zero`, process.execPath, PROGRAM], {
    env: BARE_ENVIRONMENT,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 60_000,
  })
  expect(await text(child.stderr)).toContain('what came by standard input is larger than 1 MB')
})
