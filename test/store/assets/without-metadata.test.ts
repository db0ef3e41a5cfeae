import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { decoder } from '../../../src/store/assets/decoder.ts'
import { withoutMetadata } from '../../../src/store/assets/without-metadata.ts'
import { exifOf } from './exif.ts'
import { png, pngChunk, pngChunks, pngEnd, pngHeader, pngRows, riff, riffChunk, riffChunks, segment } from './image-parts.ts'

const plain = sharp({ create: { width: 64, height: 32, channels: 3, background: '#246' } })
const jpeg = await plain.clone().jpeg({ progressive: true }).toBuffer()
const inJpeg = (...segments: readonly Buffer[]): Buffer => Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)])
const exifSegment = (exif: Buffer): Buffer => segment(0xe1, Buffer.concat([Buffer.from('Exif\0\0'), exif]))
const webp = await plain.clone().webp().toBuffer()
const pixels = riffChunks(webp).map(({ at, end }) => webp.subarray(at, end))
const inWebp = (flags: number, ...chunks: readonly Buffer[]): Buffer => {
  const extended = Buffer.alloc(10)
  extended.writeUInt8(flags)
  extended.writeUIntLE(63, 4, 3)
  extended.writeUIntLE(31, 7, 3)
  return riff(riffChunk('VP8X', extended), ...pixels, ...chunks)
}
const inPng = (...chunks: readonly Buffer[]): Buffer => png(pngHeader({ height: 32 }), ...chunks, pngChunk('IDAT', pngRows(32)), pngEnd)
const secret = Buffer.from('what no decoder sees')

const images: Readonly<Record<'jpeg' | 'png' | 'webp', (exif: Buffer) => Buffer>> = {
  jpeg: (exif) => inJpeg(exifSegment(exif), exifSegment(exifOf(3)), segment(0xe2, secret)),
  png: (exif) => inPng(pngChunk('eXIf', exif), pngChunk('tEXt', secret), pngChunk('iCCP', secret)),
  webp: (exif) => inWebp(0x28, riffChunk('ICCP', secret), riffChunk('EXIF', exif), riffChunk('none', secret)),
}

describe.each(['jpeg', 'png', 'webp'] as const)('a %s for a decoder', (format) => {
  test.each([1, 3, 6, 8])('keeps the orientation %i of its EXIF data, and nothing else of them', async (orientation) => {
    const bare = await withoutMetadata(images[format](exifOf(orientation, secret)), format)
    expect(bare.includes(secret)).toBe(false)
    expect(bare.includes('Exif') || bare.includes('eXIf') || bare.includes('EXIF')).toBe(orientation !== 1)
    const seen = await (await decoder())(bare).metadata()
    expect([seen.width, seen.height, seen.orientation ?? 1]).toEqual([64, 32, orientation])
    expect(seen.exif?.length ?? 0).toBeLessThan(40)
  })

  test('is itself where it has nothing but pixels', async () => {
    const image = { jpeg, png: inPng(), webp }[format]
    expect(await withoutMetadata(image, format)).toBe(image)
  })

  test('is made without EXIF data whose orientation is none', async () => {
    const bare = await withoutMetadata(images[format](exifOf(9)), format)
    expect(bare.includes('Exif') || bare.includes('eXIf') || bare.includes('EXIF')).toBe(false)
  })
})

test.each([
  ['what is for encoders alone', Buffer.of(0xff, 0x01)],
  ['a restart marker', Buffer.of(0xff, 0xd0)],
  ['fill bytes', Buffer.of(0xff, 0xff, 0xff)],
  ['a comment', segment(0xfe, secret)],
])('a JPEG for a decoder has nothing of what stands behind %s before its first scan', async (_, before) => {
  const bare = await withoutMetadata(inJpeg(before, segment(0xe2, secret), exifSegment(exifOf(6, secret))), 'jpeg')
  expect(bare.includes(secret)).toBe(false)
  expect((await sharp(bare).metadata()).orientation).toBe(6)
})

test.each([
  ['something that is no marker', inJpeg(Buffer.from('x'))],
  ['a second beginning', inJpeg(Buffer.of(0xff, 0xd8))],
  ['an end before its scan', inJpeg(Buffer.of(0xff, 0xd9))],
  ['a marker that nobody knows', inJpeg(segment(0x02, secret))],
  ['a zero for a marker', inJpeg(segment(0x00, secret))],
  ['a segment without a length', inJpeg(Buffer.of(0xff, 0xe2, 0, 1))],
  ['no scan', jpeg.subarray(0, 20)],
  ['more segments than an image has', inJpeg(Buffer.alloc(4 * 100_001, Buffer.of(0xff, 0xfe, 0, 2)))],
])('a JPEG with %s is given to no decoder', async (_, image) => {
  await expect(withoutMetadata(image, 'jpeg')).rejects.toThrow(/not a whole image|parts|scan|marker|length/)
})

test('an image for a decoder has each thing once that is said once', async () => {
  const twice = [pngChunk('tRNS', Buffer.of(0, 1)), pngChunk('tRNS', Buffer.of(0, 2)), pngChunk('tRNS', Buffer.of(0, 3))]
  const names = pngChunks(await withoutMetadata(inPng(...twice), 'png')).map(({ name }) => name)
  expect(names).toEqual(['IHDR', 'tRNS', 'IDAT', 'IEND'])
  const app14 = segment(0xee, Buffer.from('Adobe\0\x64\0\0\0\0\x01', 'latin1'))
  expect((await withoutMetadata(inJpeg(app14, app14, app14), 'jpeg')).length).toBe(jpeg.length + app14.length)
})

test('a PNG for a decoder has its pixels, palette and transparency in their order', async () => {
  const palette = pngChunk('PLTE', Buffer.alloc(6))
  const image = png(
    pngHeader({ colour: 3 }),
    pngChunk('gAMA', secret),
    palette,
    pngChunk('tRNS', Buffer.of(0)),
    pngChunk('IDAT', secret),
    pngEnd,
  )
  expect(pngChunks(await withoutMetadata(image, 'png')).map(({ name }) => name)).toEqual(['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND'])
})
