import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { measureHead } from '../../../src/store/assets/measure.ts'
import { exifOf } from './exif.ts'
import { segment } from './image-parts.ts'
import { vastPng } from './vast-png.ts'

const blank = (width: number, height: number) => sharp({ create: { width, height, channels: 3, background: '#fff' } })

describe('measuring the first bytes of an image', () => {
  test.each(['jpeg', 'png', 'webp'] as const)('reads the size of a small %s', async (format) => {
    expect(await measureHead(await blank(37, 21).toFormat(format).toBuffer(), true)).toEqual({ width: 37, height: 21 })
  })

  test('reads a JPEG’s orientation where it stands before its pixels alone', async () => {
    const jpeg = await blank(40, 30).jpeg().toBuffer()
    const turned = segment(0xe1, Buffer.concat([Buffer.from('Exif\0\0'), exifOf(6)]))
    const before = Buffer.concat([jpeg.subarray(0, 2), turned, jpeg.subarray(2)])
    const behind = Buffer.concat([jpeg.subarray(0, -2), turned, jpeg.subarray(-2)])
    expect(await measureHead(before, true)).toEqual({ width: 30, height: 40 })
    expect(await measureHead(behind, true)).toEqual({ width: 40, height: 30 })
  })

  test.each(['gif', 'avif', 'tiff'] as const)('gives nothing of a %s', async (format) => {
    expect(await measureHead(await blank(9, 9).toFormat(format).toBuffer(), true)).toBeNull()
  })

  const noisy = (width: number, height: number, channels: 3 | 4 = 3) =>
    sharp({
      create: {
        width,
        height,
        channels,
        background: { r: 90, g: 120, b: 60, alpha: 0.5 },
        noise: { type: 'gaussian', mean: 128, sigma: 60 },
      },
    })
  const made: readonly (readonly [string, () => Promise<Buffer>])[] = [
    ['a JPEG', () => noisy(1500, 1000).jpeg().toBuffer()],
    ['a progressive JPEG', () => noisy(1500, 1000).jpeg({ progressive: true }).toBuffer()],
    ['a PNG', () => noisy(1500, 1000).png().toBuffer()],
    ['an interlaced PNG', () => noisy(1500, 1000).png({ progressive: true }).toBuffer()],
    ['a lossy WebP', () => noisy(1500, 1000).webp().toBuffer()],
    ['a lossless WebP', () => noisy(1500, 1000).webp({ lossless: true }).toBuffer()],
    ['an extended WebP', () => noisy(1500, 1000).keepIccProfile().withIccProfile('p3').webp().toBuffer()],
  ]

  test.each(made)('gives the size of %s', async (_, make) => {
    const image = await make()
    expect(image.length).toBeGreaterThan(8192)
    expect(await measureHead(image.subarray(0, 4096))).toEqual({ width: 1500, height: 1000 })
    expect(await measureHead(image)).toEqual({ width: 1500, height: 1000 })
  })

  test('of a JPEG whose size stands behind a long profile does not give it before it has come', async () => {
    const plain = await noisy(300, 200).jpeg().toBuffer()
    const note = Buffer.concat([Buffer.from([0xff, 0xe2, 0xff, 0xfe]), Buffer.alloc(0xfffc)])
    const image = Buffer.concat([plain.subarray(0, 2), note, note, plain.subarray(2)])
    expect(await measureHead(image.subarray(0, 4096))).toBeNull()
    expect(await measureHead(image.subarray(0, 133_000))).toEqual({ width: 300, height: 200 })
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a page', Buffer.from('<html>no</html>')],
    ['a drawing', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="5" height="5"/>')],
    ['a PNG cut off in its header', Buffer.from('89504e470d0a1a0a0000000d', 'hex')],
    ['a WebP cut off in its header', Buffer.from('RIFF\0\0\0\0WEBPVP8L')],
    ['a WebP of a kind nobody knows', Buffer.concat([Buffer.from('RIFF\0\0\0\0WEBPVP9 '), Buffer.alloc(40)])],
    ['a WebP without a side', Buffer.concat([Buffer.from('RIFF\0\0\0\0WEBPVP8 '), Buffer.alloc(40)])],
  ])('gives nothing of %s, and does not fail', async (_, bytes) => {
    expect(await measureHead(bytes)).toBeNull()
  })

  test.each(['jpeg', 'png', 'webp'] as const)('of a %s that is turned by a quarter gives the sides as they are seen', async (format) => {
    for (const [orientation, width, height] of [
      [2, 1500, 1000],
      [5, 1000, 1500],
      [8, 1000, 1500],
    ] as const) {
      const image = await noisy(1500, 1000).withMetadata({ orientation }).toFormat(format).toBuffer()
      expect(await measureHead(image)).toEqual({ width, height })
      if (format !== 'webp') expect(await measureHead(image.subarray(0, 4096))).toEqual({ width, height })
    }
  })

  test('of a WebP whose orientation stands behind its pixels waits for it, unless no more bytes will come', async () => {
    const image = await noisy(1500, 1000).withMetadata({ orientation: 6 }).webp().toBuffer()
    expect(await measureHead(image.subarray(0, 4096))).toBeNull()
    expect(await measureHead(image.subarray(0, 4096), true)).toEqual({ width: 1500, height: 1000 })
    expect(await measureHead(image, true)).toEqual({ width: 1000, height: 1500 })
  })

  test('gives nothing of more than 100 megapixels', async () => {
    expect(await measureHead(vastPng(20_000, 6_000))).toBeNull()
    expect(await measureHead(vastPng(10_000, 6_000))).toEqual({ width: 10_000, height: 6_000 })
  })
})
