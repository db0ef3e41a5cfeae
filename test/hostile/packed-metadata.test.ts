import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Generation } from '#contract'
import { exifOfMillions } from '../store/assets/exif.ts'
import { png, pngChunk, pngEnd, pngHeader, pngRows, riff, riffChunk, riffChunks, segment } from '../store/assets/image-parts.ts'
import { gatewayWith } from '../support/for-one-test.ts'
import { startNeighbour } from '../support/neighbour.ts'
import { quickVendor } from '../support/quick-vendor.ts'
import { mostResidentBytes, residentBytes } from '../support/resident-bytes.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')
const MEGABYTE = 1_048_576
const UNPACKED_BYTES = 48 * MEGABYTE

const withChunks = (...chunks: readonly Buffer[]): Buffer => png(pngHeader({}), ...chunks, pngChunk('IDAT', pngRows()), pngEnd)
const packed = (character: string): Buffer => deflateSync(Buffer.alloc(UNPACKED_BYTES, character))
const text = pngChunk('zTXt', Buffer.concat([Buffer.from('k\0\0'), packed('a')]))
const xmp = pngChunk('iTXt', Buffer.concat([Buffer.from('XML:com.adobe.xmp\0\x01\0\0\0'), packed('é')]))

/** A profile of colours whose way has so many steps, all of them one curve: some minutes for a decoder that follows it. */
function longProfile(steps: number): Buffer {
  const curve = Buffer.alloc(76)
  curve.write('cvst')
  curve.writeUInt32BE(0x0003_0003, 8)
  for (const channel of [0, 1, 2]) {
    curve.writeUInt32BE(36, 12 + 8 * channel)
    curve.writeUInt32BE(40, 16 + 8 * channel)
  }
  curve.write('curf', 36)
  curve.writeUInt16BE(1, 44)
  curve.write('parf', 48)
  curve.writeFloatBE(1.001, 60)
  curve.writeFloatBE(1, 64)
  const head = Buffer.alloc(16 + 8 * steps)
  head.write('mpet')
  head.writeUInt32BE(0x0003_0003, 8)
  head.writeUInt32BE(steps, 12)
  for (let step = 0; step < steps; step++) {
    head.writeUInt32BE(head.length, 16 + 8 * step)
    head.writeUInt32BE(curve.length, 20 + 8 * step)
  }
  const way = Buffer.concat([head, curve])
  const words = Buffer.from('6d6c756300000000000000010000000c656e5553000000020000001c00410000', 'hex')
  const white = Buffer.from('58595a20000000000000f6d6000100000000d32d', 'hex')
  const tags = ['D2B0', 'D2B1', 'D2B2', 'A2B0', 'wtpt', 'desc', 'cprt']
  const start = 132 + 12 * tags.length
  const header = Buffer.alloc(start)
  header.writeUInt32BE(start + way.length + words.length + white.length, 0)
  header.writeUInt32BE(0x0430_0000, 8)
  header.write('mntrRGB XYZ ', 12)
  header.write('07e4000100010000000000000000', 24, 'hex')
  header.write('acsp', 36)
  header.write('0000f6d6000100000000d32d', 68, 'hex')
  header.writeUInt32BE(tags.length, 128)
  for (const [index, tag] of tags.entries()) {
    const isWhite = tag === 'wtpt'
    const [at, bytes] = index < 4 ? [0, way.length] : [way.length + (isWhite ? words.length : 0), (isWhite ? white : words).length]
    header.write(tag, 132 + 12 * index)
    header.writeUInt32BE(start + at, 136 + 12 * index)
    header.writeUInt32BE(bytes, 140 + 12 * index)
  }
  return Buffer.concat([header, way, words, white])
}

const profile = longProfile(4_000)
const profiledPng = withChunks(pngChunk('iCCP', Buffer.concat([Buffer.from('icc\0\0'), deflateSync(profile)])))

async function webpWith(flags: number, chunk: Buffer): Promise<Buffer> {
  const plain = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#246' } })
    .webp()
    .toBuffer()
  const pixels = riffChunks(plain).map(({ at, end }) => plain.subarray(at, end))
  const extended = Buffer.alloc(10)
  extended.writeUInt8(flags)
  extended.writeUIntLE(63, 4, 3)
  extended.writeUIntLE(63, 7, 3)
  return riff(riffChunk('VP8X', extended), chunk, ...pixels)
}

test('an image’s metadata takes no memory, stops nobody, and holds up no image of another key', { timeout: 120_000 }, async () => {
  const bought = await webpWith(0x20, riffChunk('ICCP', profile))
  const port = await quickVendor(bought.toString('base64'))
  const { url, pid } =
    await gatewayWith(`keys: [{ name: bad, scope: read, key_hash: ${hashOf('bad')} }, { name: good, key_hash: ${hashOf('good')} }]
providers:
  relay:
    shape: openai-images
    base_url: http://127.0.0.1:${port}
    api_key: a-vendor-key
    references: image_url
    models: { flux-2-pro: { provider_model: flux, price: { per_image: "0.02" } } }
`)
  const ask = (key: string, path: string, body?: object): Promise<Response> =>
    fetch(url + path, {
      headers: { authorization: `Bearer ${key}`, prefer: 'wait=60', ...(body && { 'content-type': 'application/json' }) },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    })
  const order = { model: 'flux-2-pro', prompt: 'a tree' }
  const quote = async (image: Buffer): Promise<number> => {
    const reference = `data:image/png;base64,${image.toString('base64')}`
    return (await ask('bad', '/v1/quotes', { ...order, reference_images: [reference] })).status
  }
  expect(await quote(withChunks())).toBe(200)
  expect(await quote(await sharp(withChunks()).jpeg({ progressive: true }).toBuffer())).toBe(200)
  const neighbour = await startNeighbour({ url, pid })
  const held = residentBytes(pid)
  let answers: readonly number[] = []
  let generation: Generation | null = null
  const jpeg = await sharp(withChunks()).jpeg({ progressive: true }).toBuffer()
  const inJpeg = (...segments: readonly Buffer[]): Buffer => Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)])
  const profileSegment = segment(0xe2, Buffer.concat([Buffer.from('ICC_PROFILE\0\x01\x01'), profile]))
  const exif = exifOfMillions(300)
  const images = [
    withChunks(...Array.from({ length: 10 }, () => text)),
    withChunks(xmp),
    await webpWith(0x04, riffChunk('XMP ', Buffer.alloc(10 * MEGABYTE, 'é'))),
    profiledPng,
    inJpeg(profileSegment),
    inJpeg(Buffer.of(0xff, 0x01), profileSegment),
    inJpeg(Buffer.of(0xff, 0xd0), profileSegment),
    inJpeg(segment(0xe1, Buffer.concat([Buffer.from('Exif\0\0'), exif]))),
    withChunks(pngChunk('eXIf', exif)),
    await webpWith(0x08, riffChunk('EXIF', exif)),
  ]
  const most = await mostResidentBytes(pid, async () => {
    const stops = await neighbour.stopsDuring(async () => {
      const asked = images.map(quote)
      generation = (await (await ask('good', '/v1/generations', order)).json()) as Generation
      answers = await Promise.all(asked)
    })
    expect(stops.longestMs).toBeLessThan(50)
  })
  neighbour.end()
  expect(answers).toEqual(images.map(() => 200))
  expect(generation).toMatchObject({ status: 'succeeded', images: [{ width: 64, height: 64 }] })
  const [image] = (generation as unknown as Generation).images
  const small = await ask('good', `/v1/images/${image?.id}?w=64`)
  expect([small.status, small.headers.get('content-type')]).toEqual([200, 'image/webp'])
  expect((most - held) / MEGABYTE).toBeLessThan(250)
})
