import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DeleteObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { startS3 } from '../support/s3.ts'
import type { S3Server } from '../support/s3.ts'
import { HAS_SWIFT, startSwift, SWIFT_KEYS } from '../support/swift.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()
const SECRET = 'secret-of-sixteen-and-more'
const hash = createHash('sha256').update(SECRET).digest('hex')
const S3RVER_KEYS = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' }

describe.each([
  { name: 's3rver', isThere: true, checksSignatures: false, keys: S3RVER_KEYS, start: startS3 },
  { name: 'OpenStack Swift, which checks signatures', isThere: HAS_SWIFT, checksSignatures: true, keys: SWIFT_KEYS, start: startSwift },
])('images that the bucket serves itself, at $name', { timeout: 60_000 }, ({ isThere, checksSignatures, keys, start }) => {
  describe.runIf(isThere)('where it is installed', () => {
    let folder: string
    let bucket: S3Server
    let vendors: Vendors
    let kept: ReturnType<Vendors['folder']>
    let server: ServerProcess
    const settings = (servedBy: string): string =>
      [
        `assets: { url: "s3://images/kept?endpoint=${encodeURIComponent(bucket.endpoint)}&public_endpoint=${encodeURIComponent(bucket.endpoint.replace('127.0.0.1', 'localhost'))}", served_by: ${servedBy} }`,
        `keys: [{ name: a, key_hash: ${hash} }]`,
      ].join('\n')

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'imagegate-links-'))
      ;[bucket, vendors] = await Promise.all([start(folder, ['images']), startVendors({ providers: ['runware'] })])
      kept = vendors.folder(settings('bucket'))
      server = await startProcess({ ...kept.environment, ...keys })
    }, 120_000)
    afterAll(async () => {
      await server.kill('SIGKILL')
      await vendors.close()
      bucket.stop()
      kept.remove()
      rmSync(folder, { recursive: true, force: true })
    })

    const at = (link: string): string => server.url + new URL(link).pathname + new URL(link).search
    const get = (address: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') =>
      fetch(address, { headers, method, redirect: 'manual' })
    const generate = async () => {
      const reply = await fetch(`${server.url}/v1/generations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${SECRET}`, prefer: 'wait=50' },
        body: JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256, output_format: 'png' }),
      })
      const [image] = ((await reply.json()) as Generation).images
      if (!image) throw new Error('an image was bought')
      return image
    }
    const linkOf = async (address: string): Promise<string> => (await get(address)).headers.get('location') ?? ''

    test('are read by a link that is valid for ten minutes, whole and in parts, by whoever may see the image and by nobody else', async () => {
      const image = await generate()
      const sent = await get(at(image.url))
      expect([sent.status, sent.headers.get('cache-control')]).toEqual([307, 'no-store'])
      const link = new URL(sent.headers.get('location') ?? '')
      // Where callers reach the bucket, not where the gateway does.
      expect(link.origin).toBe(bucket.endpoint.replace('127.0.0.1', 'localhost'))
      expect(link.searchParams.get('X-Amz-Expires')).toBe('600')
      const read = await fetch(link)
      expect([read.status, read.headers.get('content-type')]).toEqual([200, 'image/png'])
      expect(
        createHash('sha256')
          .update(Buffer.from(await read.arrayBuffer()))
          .digest('hex'),
      ).toBe(image.sha256)
      const part = await fetch(link, { headers: { range: 'bytes=0-7' } })
      expect([part.status, (await part.arrayBuffer()).byteLength]).toEqual([206, 8])
      const unsigned = await get(server.url + new URL(image.url).pathname)
      expect([unsigned.status, unsigned.headers.get('location')]).toEqual([401, null])
      expect(server.said()).not.toContain(link.searchParams.get('X-Amz-Signature') ?? 'no signature')
    })

    test.runIf(checksSignatures)('are shown to nobody who changes the link', async () => {
      const link = await linkOf(at((await generate()).url))
      const longer = await fetch(link.replace('X-Amz-Expires=600', 'X-Amz-Expires=6000'))
      const signature = /Signature=([0-9a-f]{4})/.exec(link)?.[1] ?? ''
      const forged = await fetch(link.replace(`Signature=${signature}`, `Signature=${signature === '0000' ? '1111' : '0000'}`))
      expect([longer.status, forged.status]).toEqual([403, 403])
    })

    test('go through the gateway where a page of ours shows them, a small one is asked for, or only the headers; and what is gone is 410', async () => {
      const image = await generate()
      const own = await get(at(image.url), { 'sec-fetch-site': 'same-origin' })
      const small = await get(`${at(image.url)}&w=64`)
      const head = await get(at(image.url), {}, 'HEAD')
      expect([own, small, head].map(({ status, headers }) => [status, headers.get('content-type')])).toEqual([
        [200, 'image/png'],
        [200, 'image/webp'],
        [200, 'image/png'],
      ])
      await removeFrom(bucket.endpoint, decodeURIComponent(new URL(await linkOf(at(image.url))).pathname.replace('/images/', '')))
      expect((await get(at(image.url))).status).toBe(410)
    })

    test('go through the gateway again once the configuration says so', async () => {
      const image = await generate()
      kept.write(settings('gateway'))
      await expect.poll(async () => (await get(at(image.url))).status, { timeout: 10_000 }).toBe(200)
    })

    const removeFrom = async (endpoint: string, Key: string): Promise<void> => {
      const credentials = { accessKeyId: keys.AWS_ACCESS_KEY_ID, secretAccessKey: keys.AWS_SECRET_ACCESS_KEY }
      const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
      await client.send(new DeleteObjectCommand({ Bucket: 'images', Key }))
      client.destroy()
    }

    test.runIf(checksSignatures)('need the right secret: with another one the gateway does not start, and says so', async () => {
      const refused = await startProcess({
        ...kept.environment,
        ...keys,
        AWS_SECRET_ACCESS_KEY: 'another',
        IMAGEGATE_DATA: join(folder, 'other'),
      }).catch(String)
      expect(refused).toContain('check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')
    })
  })
})
