import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import { inWords } from '../../src/cli/backup.ts'
import { startProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const ROOT = resolve(import.meta.dirname, '../..')
/** Blocks of 512 bytes, or of a kilobyte: less than an image either way. A write beyond it fails as one on a full disk does. */
const LEAST = 4
const LIMITED = `trap '' XFSZ; ulimit -f ${LEAST}; exec "$0" "$@"`

test.skipIf(process.platform === 'win32')(
  'an image that cannot be written whole is not there under its name, and the command says how to have what was bought',
  async () => {
    const vendors = await startVendors({ providers: ['bfl'] })
    onTestFinished(() => vendors.close())
    const folder = vendors.folder()
    onTestFinished(() => folder.remove())
    const server = await startProcess(folder.environment)
    onTestFinished(async () => void (await server.kill('SIGKILL')))
    const out = join(folder.folder, 'out')
    mkdirSync(out)
    const { NODE_COMPILE_CACHE: _, ...environment } = BARE_ENVIRONMENT
    const imagegate = (program: readonly string[], ...args: readonly string[]) =>
      promisify(execFile)(program[0] ?? '', [...program.slice(1), join(ROOT, 'bin/imagegate.mjs'), ...args], {
        cwd: ROOT,
        env: environment,
      }).then(
        ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
        ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
      )
    const limited = ['/bin/sh', '-c', LIMITED, process.execPath]
    const where = ['--url', server.url, '--out', out]
    const order = ['a tree', '--model', 'flux-2-pro', '--width', '1024', '--height', '1024', ...where]

    const { code, stderr } = await imagegate(limited, 'generate', ...order)
    expect(readdirSync(out)).toEqual([])
    const [, id = ''] = /(gen_\w+) accepted/.exec(stderr) ?? []
    expect({ code, said: stderr.trimEnd().split('\n').at(-1) }).toEqual({
      code: 1,
      said: `imagegate: ${join(out, `${id}.jpg`)}: cannot be written (EFBIG); it is bought and kept, and \`imagegate get ${id} --wait --out ${out}\` saves it`,
    })
    expect(await imagegate(limited, 'compare', ...order)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('it is bought and kept'),
    })
    expect(readdirSync(out)).toEqual([])

    expect(await imagegate([process.execPath], 'get', id, ...where)).toMatchObject({ code: 0 })
    expect(readdirSync(out)).toEqual([`${id}.jpg`])
    await sharp(join(out, `${id}.jpg`), { failOn: 'warning' })
      .raw()
      .toBuffer()
  },
  60_000,
)

test('a backup that finds no more space names the disk and the remedy', () => {
  const refused = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' })
  expect(inWords(refused)).toMatchObject({
    message: 'the disk is full (ENOSPC: no space left on device, write); free some space and run it again',
  })
})
