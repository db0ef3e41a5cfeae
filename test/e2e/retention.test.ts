import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { json, problem, launchGateway } from './gateway.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

function age(folder: string, days: number): void {
  const at = new Date(Date.now() - days * 86_400_000)
  for (const name of readdirSync(folder, { recursive: true })) {
    if (String(name).endsWith('.jpg') || String(name).endsWith('.png')) utimesSync(join(folder, String(name)), at, at)
  }
}

test('an image past its age is 410 after the next start, for its bytes, its parts and as a reference', { timeout: 20_000 }, async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'imagegate-retention-'))
  closers.push(() => rmSync(dataDirectory, { recursive: true, force: true }))
  const config = 'assets: { max_age_days: 30 }\n'
  const before = await launchGateway({ config, dataDirectory })
  const [old] = (await before.generate({ width: 256, height: 256, seed: 1 })).images
  await before.close()
  age(join(dataDirectory, 'sandbox', 'images'), 31)

  const gateway = await launchGateway({ config, dataDirectory })
  closers.push(() => gateway.close())
  const [young] = (await gateway.generate({ width: 256, height: 256, seed: 2 })).images
  const path = (image: { readonly url: string } | undefined) => new URL(image?.url ?? '').pathname
  for (const headers of [{}, { range: 'bytes=0-9' }, { range: 'bytes=99999999-' }, { 'if-none-match': `"${old?.sha256}"` }]) {
    const reply = await gateway.ask(path(old), { headers })
    expect([headers, reply.status]).toEqual([headers, 410])
    expect(await problem(reply)).toMatchObject({ code: 'gone', title: 'Gone', detail: expect.stringContaining('no longer stored') })
    expect(reply.headers.get('cache-control')).toBe('no-store')
  }
  expect((await gateway.ask(path(young))).status).toBe(200)

  const edit = await gateway.post('/v1/generations', { model: 'flux-2-pro', prompt: 'at night', reference_images: [{ image: old?.id }] })
  expect(edit.status).toBe(400)
  expect(await problem(edit)).toMatchObject({
    errors: [{ path: 'reference_images.0', message: expect.stringContaining('no longer stored') }],
  })
})

/** A file system of so many bytes, or null where this machine does not let us mount one. */
function mountTinyDisk(bytes: number): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-tiny-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'ignore' })
    return folder
  } catch {
    rmSync(folder, { recursive: true })
    return null
  }
}

test(
  'a full disk holds up only the generation whose image does not fit, until there is space again',
  { timeout: 30_000 },
  async ({ skip }) => {
    const disk = mountTinyDisk(256 * 1024)
    if (disk === null) return skip('no file system can be mounted here')
    closers.push(() => {
      execFileSync('umount', [disk])
      rmSync(disk, { recursive: true })
    })
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(200 * 1024))
    const dataDirectory = mkdtempSync(join(tmpdir(), 'imagegate-full-disk-'))
    closers.push(() => rmSync(dataDirectory, { recursive: true, force: true }))
    mkdirSync(join(dataDirectory, 'sandbox'))
    mkdirSync(join(disk, 'images'))
    symlinkSync(join(disk, 'images'), join(dataDirectory, 'sandbox', 'images'))
    const gateway = await launchGateway({ dataDirectory })
    closers.push(() => gateway.close())
    const large = { model: 'bfl/flux-2-pro', prompt: 'a large image', width: 2048, height: 2048, output_format: 'png' }
    const big = await gateway.generate(large, { prefer: 'wait=3' })
    expect(big).toMatchObject({ status: 'running', attempts: [{ status: 'collecting' }] })
    const small = await gateway.generate({ model: 'runware/flux-2-pro', width: 256, height: 256 })
    expect(small.status).toBe('succeeded')

    execFileSync('mount', ['-o', 'remount,size=67108864', disk])
    const done = await json<Generation>(await gateway.ask(`/v1/generations/${big.id}`, { headers: { prefer: 'wait=60' } }))
    expect(done).toMatchObject({ status: 'succeeded', error: null, images: [{ width: 2048 }], attempts: [{ status: 'succeeded' }] })
  },
)
