import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Assets } from '../../../src/core/ports.ts'
import { heldShrinking, MOST_DECODED_BYTES } from '../../../src/store/assets/decode-turns.ts'
import { openImages } from '../../../src/store/assets/open-images.ts'
import { demandOf } from '../../../src/store/assets/measure.ts'
import { png, pngChunk, pngEnd, pngHeader, riff, riffChunk, riffChunks, segment, withJpegSize } from './image-parts.ts'

const NO_LIMIT = 10_000_000
const SIDE = 10_000
const plain = sharp({ create: { width: 64, height: 64, channels: 3, background: '#246' } })

let directory: string
let assets: Assets
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imagegate-demand-'))
  assets = (await openImages({ kind: 'folder', directory })).assets
})
afterAll(() => rm(directory, { recursive: true }))

/** As many bytes as so many rows take at least: a structure finds nothing amiss. */
const least = (raw: number): Buffer => pngChunk('IDAT', Buffer.concat([Buffer.from([0x78, 0x9c]), Buffer.alloc(Math.ceil(raw / 1_000))]))

const losslessHead = Buffer.alloc(1_000)
losslessHead[0] = 0x2f
losslessHead.writeUInt32LE((SIDE - 1) | ((SIDE - 1) << 14), 1)

/** Each of them had a decoder hold more than 150 MiB at once. */
const heavy: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
  'an interlaced PNG of 16 bits': [
    png(pngHeader({ width: SIDE, height: SIDE, depth: 16, colour: 6, interlace: 1 }), least(SIDE * SIDE * 8), pngEnd),
    /MiB.*without interlacing/,
  ],
  'a PNG whose rows are a million pixels wide': [
    png(pngHeader({ width: 1_000_000, height: 100, depth: 16, colour: 6 }), least(1_000_000 * 100 * 8), pngEnd),
    /763 MiB.*fewer pixels/,
  ],
  'a progressive JPEG': [
    withJpegSize(await plain.clone().jpeg({ progressive: true, chromaSubsampling: '4:4:4' }).toBuffer(), { width: SIDE, height: SIDE }),
    /57\d MiB.*not progressive/,
  ],
  'a lossless WebP': [riff(riffChunk('VP8L', losslessHead)), /381 MiB.*lossy/],
}

test.each(Object.entries(heavy))(
  'an image that would take too much memory to decode is no reference, and says why: %s',
  async (_, [image, message]) => {
    const refusal = { reason: 'too_large', message: expect.stringMatching(message) }
    await expect(assets.examine(image, NO_LIMIT)).rejects.toMatchObject(refusal)
    await expect(assets.putReference(image, NO_LIMIT)).rejects.toMatchObject(refusal)
  },
)

test.each(Object.entries(heavy))(
  'an image that was bought is kept all the same, and no small one is made of it: %s',
  async (_, [image]) => {
    const { sha256, format, bytes } = await assets.put(image, NO_LIMIT)
    expect(await assets.read(sha256, format, bytes)).toEqual(image)
    await expect(assets.small(sha256, format, 64)).rejects.toMatchObject({ reason: 'not_an_image' })
  },
)

test('a JPEG is held whole where its components come in scans of their own, too', async () => {
  const components = [1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]
  const frame = segment(0xc0, Buffer.from([8, SIDE >> 8, SIDE & 0xff, SIDE >> 8, SIDE & 0xff, 3, ...components]))
  const jpegOf = (scan: readonly number[]) => Buffer.concat([Buffer.from([0xff, 0xd8]), frame, segment(0xda, Buffer.from(scan))])
  expect(heldShrinking(await demandOf(jpegOf([1, 1, 0, 0, 63, 0]), 'jpeg', ''))).toBeGreaterThan(SIDE * SIDE * 6)
  expect(heldShrinking(await demandOf(jpegOf([3, 1, 0, 2, 0, 3, 0, 0, 63, 0]), 'jpeg', ''))).toBeLessThan(MOST_DECODED_BYTES / 10)
})

test('large images, of whichever keys, hold up no image of usual size', { timeout: 60_000 }, async () => {
  const rows = Buffer.alloc(5_000 * (1 + 5_000 * 8))
  const data = pngChunk('IDAT', deflateSync(rows, { level: 1 }))
  const large = ['a', 'b', 'c'].map((key) =>
    png(pngHeader({ width: 5_000, height: 5_000, depth: 16, colour: 6 }), pngChunk('tEXt', Buffer.from(`key\0${key}`)), data, pngEnd),
  )
  const ended: string[] = []
  const checked = large.map(async (image, index) => {
    await assets.examine(image, NO_LIMIT, `large ${index}`)
    ended.push('large')
  })
  await new Promise((resolve) => setTimeout(resolve, 20))
  const usual = await plain.clone().webp().toBuffer()
  await assets.put(usual, NO_LIMIT, null, 'usual').then(() => ended.push('usual'))
  await Promise.all(checked)
  expect(ended.indexOf('usual')).toBeLessThan(large.length)
  expect(ended).toHaveLength(4)
})

test('a PNG of millions of rows is none, however short they are', async () => {
  const tall = png(pngHeader({ width: 1, height: 65_536, depth: 8, colour: 0 }), least(2 * 65_536), pngEnd)
  await expect(assets.put(tall, NO_LIMIT)).rejects.toThrow(/more than 65535 rows/)
})

test('a WebP whose transparency stands behind its pixels is none', async () => {
  const webp = await plain.clone().ensureAlpha(0.5).webp().toBuffer()
  const [head, alpha, pixels] = riffChunks(webp).map(({ at, end }) => webp.subarray(at, end)) as [Buffer, Buffer, Buffer]
  await expect(assets.put(riff(head, pixels, alpha), NO_LIMIT)).rejects.toThrow(/transparency is not where it should be/)
})
