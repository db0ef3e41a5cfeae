import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { startS3 } from '../support/s3.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

useRealSockets()
const ROOT = resolve(import.meta.dirname, '../..')

test(
  'a gateway whose assets.url is a bucket keeps images there and nowhere else, serves them after a kill, a backup is restored into another bucket, and while the bucket is away images are 503',
  { timeout: 120_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-s3-'))
    const s3 = await startS3(folder, ['images', 'restored'])
    const vendors = await startVendors({ providers: ['runware'] })
    const bucket = (name: string) => `s3://${name}?endpoint=${encodeURIComponent(s3.endpoint)}`
    const kept = vendors.folder(`assets: { url: "${bucket('images')}" }\n`)
    const credentials = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' }
    const environment = { ...kept.environment, ...credentials }
    let server = await startProcess(environment)
    const imageAt = async (origin: string, link: string) => {
      const reply = await fetch(origin + new URL(link).pathname + new URL(link).search)
      return { status: reply.status, type: reply.headers.get('content-type'), bytes: Buffer.from(await reply.arrayBuffer()) }
    }
    try {
      const asked = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256, output_format: 'png' }
      const reply = await fetch(`${server.url}/v1/generations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', prefer: 'wait=50' },
        body: JSON.stringify(asked),
      })
      const generation = (await reply.json()) as Generation
      expect(generation).toMatchObject({ status: 'succeeded', images: [{ width: 256 }] })
      const link = generation.images[0]?.url ?? ''
      const first = await imageAt(server.url, link)
      expect(first).toMatchObject({ status: 200, type: 'image/png' })
      const part = await fetch(server.url + new URL(link).pathname, { headers: { range: 'bytes=0-7' } })
      expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, first.bytes.subarray(0, 8)])
      expect(existsSync(join(kept.dataDirectory, 'images'))).toBe(false)

      await server.kill('SIGKILL')
      server = await startProcess(environment)
      expect((await imageAt(server.url, link)).bytes).toEqual(first.bytes)
      const copy = join(folder, 'backup')
      const imagegate = async (verb: string, more: object) =>
        (
          await promisify(execFile)(process.execPath, [join(ROOT, 'src/cli/imagegate.ts'), verb, copy, '--json'], {
            cwd: ROOT,
            env: { ...BARE_ENVIRONMENT, ...environment, ...more },
          })
        ).stdout
      expect(JSON.parse(await imagegate('backup', { IMAGEGATE_URL: server.url }))).toMatchObject({ images: 1, images_missing: 0 })
      await server.kill('SIGTERM')
      expect(server.said()).not.toContain('S3RVER')

      const elsewhere = vendors.folder(`assets: { url: "${bucket('restored')}" }\n`)
      await imagegate('restore', elsewhere.environment)
      server = await startProcess({ ...elsewhere.environment, ...credentials })
      expect((await imageAt(server.url, link)).bytes).toEqual(first.bytes)

      s3.stop()
      const { pathname } = new URL(link)
      for (const path of [pathname, `${pathname}?w=256`, `/v1/backup/images/${generation.images[0]?.sha256}/png`]) {
        const away = await fetch(server.url + path)
        expect([path, away.status, Number(away.headers.get('retry-after')) > 0]).toEqual([path, 503, true])
        expect(await away.json()).toMatchObject({ code: 'store_unavailable', detail: expect.stringContaining('image storage') })
      }
      expect(server.said()).toMatch(/the image storage is away/)
      expect(server.said()).not.toContain('a request failed unexpectedly')
      elsewhere.remove()
    } finally {
      await server.kill('SIGKILL')
      await vendors.close()
      s3.stop()
      kept.remove()
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

test('a bucket that is not there, or an address that is wrong, is one sentence at the start', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-s3-'))
  const s3 = await startS3(folder, ['images'])
  const vendors = await startVendors({ providers: ['runware'] })
  try {
    for (const [url, words] of [
      [`s3://elsewhere?endpoint=${encodeURIComponent(s3.endpoint)}`, 'status 404); create it first'],
      ['s3://images?regoin=x', 'not "regoin"'],
    ] as const) {
      const { environment, remove } = vendors.folder(`assets: { url: "${url}" }\n`)
      const refused = await startProcess({ ...environment, AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' }).catch(String)
      expect(refused).toContain(words)
      expect(refused).not.toMatch(/\n\s+at /)
      remove()
    }
  } finally {
    await vendors.close()
    s3.stop()
    rmSync(folder, { recursive: true, force: true })
  }
})
