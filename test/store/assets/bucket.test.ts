import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { bucketAddress } from '../../../src/store/assets/bucket-address.ts'
import { openImages } from '../../../src/store/assets/open-images.ts'
import type { Images } from '../../../src/store/assets/open-images.ts'
import { sweep } from '../../../src/store/assets/retention.ts'
import { freePort } from '../../support/free-port.ts'
import { startS3 } from '../../support/s3.ts'
import type { S3Server } from '../../support/s3.ts'
import { useRealSockets } from '../../transport/real-sockets.ts'

useRealSockets()
let directory: string
let server: S3Server
let images: Images
const addressOf = (bucket: string) => bucketAddress(`s3://${bucket}/kept?endpoint=${encodeURIComponent(server.endpoint)}`)

beforeAll(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'S3RVER')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'S3RVER')
  directory = await mkdtemp(join(tmpdir(), 'imagegate-bucket-'))
  server = await startS3(directory, ['images'])
  images = await openImages({ kind: 'bucket', bucket: addressOf('images'), incoming: join(directory, 'incoming') })
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await images.close()
  server.stop()
  await rm(directory, { recursive: true })
})

const drawn = (width: number, format: 'png' | 'jpeg' | 'webp' = 'png') =>
  sharp({ create: { width, height: 40, channels: 3, background: '#468' } })
    .toFormat(format)
    .toBuffer()
const keys = async () => (await Array.fromAsync(images.storage.list())).map(({ key }) => key)

describe('images in a bucket', () => {
  test('are kept under their hash, read whole and in parts, and made small; nothing is left on this machine', async () => {
    for (const format of ['png', 'jpeg', 'webp'] as const) {
      const bytes = await drawn(60, format)
      const stored = await images.assets.put(Readable.from([bytes.subarray(0, 50), bytes.subarray(50)]), 1_000_000)
      expect(stored).toMatchObject({ format, width: 60, height: 40, bytes: bytes.length })
      const { sha256 } = stored
      expect(await images.assets.read(sha256, format)).toEqual(bytes)
      const part = await images.assets.open(sha256, format, { start: 10, end: 19 })
      expect(part === null ? null : await buffer(part)).toEqual(bytes.subarray(10, 20))
      const small = await images.assets.small(sha256, format, 64)
      expect(await sharp(small ?? Buffer.alloc(0)).metadata()).toMatchObject({ format: 'webp', width: 60 })
      expect((await keys()).filter((key) => key.includes(sha256) && !key.includes('.w256.'))).toHaveLength(2)
    }
    const [incoming = ''] = await readdir(join(directory, 'incoming'))
    expect(await readdir(join(directory, 'incoming', incoming))).toEqual([])
  })

  test('are refused as in a folder: what is cut off never gets there, and what is gone is null', async () => {
    const before = await keys()
    const bytes = await drawn(70)
    await expect(images.assets.put(bytes.subarray(0, bytes.length - 20), 1_000_000)).rejects.toMatchObject({ reason: 'not_an_image' })
    expect(await keys()).toEqual(before)
    expect(await images.assets.open('0'.repeat(64), 'png')).toBeNull()
    expect(await images.assets.read('0'.repeat(64), 'png')).toBeNull()
    expect(await images.assets.small('0'.repeat(64), 'png', 64)).toBeNull()
  })

  test('are stored once: the same bytes again are not sent again', async () => {
    const bytes = await drawn(80)
    const { sha256 } = await images.assets.put(bytes, 1_000_000)
    const stored = async () => (await Array.fromAsync(images.storage.list())).filter(({ key }) => key.includes(sha256))
    const first = await stored()
    await images.assets.put(bytes, 1_000_000)
    expect(await stored()).toEqual(first)
  })

  test('go with their small ones when retention removes them', async () => {
    const { sha256 } = await images.assets.put(await drawn(90), 1_000_000)
    await images.assets.small(sha256, 'png', 64)
    const later = Date.now() + 40 * 86_400_000
    await sweep({
      storage: images.storage,
      ages: { of: (instant) => later - instant },
      limits: () => ({ maxAgeDays: 30, maxBytes: null }),
      store: { list: () => Promise.resolve({ records: [], nextCursor: null }) },
      log: { info: () => {}, error: () => {} },
    })
    expect(await keys()).toEqual([])
  })
})

describe('a bucket that cannot be used', () => {
  const opening = (address: ReturnType<typeof bucketAddress>) =>
    openImages({ kind: 'bucket', bucket: address, incoming: join(directory, 'incoming') }).catch((error: unknown) => error as Error)

  test('is refused in words at the start: not there, or no server', async () => {
    expect(await opening(addressOf('elsewhere'))).toMatchObject({
      reason: 'storage',
      message: expect.stringMatching(/assets\.url: the bucket elsewhere at http.*status 404\); create it first/),
    })
    const nobody = { ...addressOf('images'), endpoint: `http://127.0.0.1:${await freePort()}` }
    expect(await opening(nobody)).toMatchObject({ reason: 'storage', message: expect.stringContaining('check the address') })
  })

  test.each([
    ['s3://key:secret@images', 'credentials are taken from AWS_ACCESS_KEY_ID'],
    ['s3://im', 'a bucket has 3 to 63'],
    ['s3://images?regoin=x', 'not "regoin"'],
    ['s3://images?path_style=yes', 'path_style is true or false'],
    ['s3://images?endpoint=storage.local', 'endpoint is an http or https address'],
    ['s3://images?endpoint=http://:secret@storage.local', 'endpoint is an http or https address'],
    ['s3://images?public_endpoint=https://:secret@storage.local', 'public_endpoint is an http or https address'],
  ])('has its address %s refused with the remedy', (url, words) => {
    expect(() => bucketAddress(url)).toThrow(words)
  })
})
