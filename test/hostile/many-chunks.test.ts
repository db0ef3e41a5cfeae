import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith } from '../support/for-one-test.ts'
import { startNeighbour } from '../support/neighbour.ts'
import { quickVendor } from '../support/quick-vendor.ts'
import { mostResidentBytes, residentBytes } from '../support/resident-bytes.ts'
import { riff, riffChunk, riffChunks } from '../store/assets/image-parts.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')
const MEGABYTE = 1_000_000
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'
const HEADER_END = 33

const dense = await sharp(randomBytes(64 * 64 * 3), { raw: { width: 64, height: 64, channels: 3 } })
  .png()
  .toBuffer()

/** So many bytes of chunks without content before its pixels. */
function pngWith(bytes: number, nameOf: (index: number) => string): Buffer {
  const chunks = Buffer.alloc(Math.floor(bytes / 12) * 12)
  for (let at = 0; at < chunks.length; at += 12) {
    chunks.write(nameOf(at / 12), at + 4, 'latin1')
    chunks.writeUInt32BE(crc32(chunks.subarray(at + 4, at + 8)), at + 8)
  }
  return Buffer.concat([dense.subarray(0, HEADER_END), chunks, dense.subarray(HEADER_END)])
}

/** Another for each index, up to four million; none that means something. */
function another(index: number): string {
  const name = [26 * 52 ** 2, 52 ** 2, 52, 1].map((unit, at) => LETTERS[Math.floor(index / unit) % (at === 0 ? 26 : 52)]).join('')
  return ['acTL', 'eXIf', 'tRNS'].includes(name) ? 'aaaa' : name
}

/** The same behind the pixels of a WebP, whose chunks have no checksums. */
async function webpWith(bytes: number, nameOf: (index: number) => string): Promise<Buffer> {
  const extended = riffChunk('VP8X', Buffer.from([0, 0, 0, 0, 63, 0, 0, 63, 0, 0]))
  const plain = await sharp(dense).webp().toBuffer()
  const chunks = Buffer.alloc(Math.floor(bytes / 8) * 8)
  for (let at = 0; at < chunks.length; at += 8) chunks.write(nameOf(at / 8), at, 'latin1')
  return riff(extended, ...riffChunks(plain).map(({ at, end }) => plain.subarray(at, end)), chunks)
}

test('an image of a million chunks stops nobody, whether it is bought, made small or referred to', { timeout: 120_000 }, async () => {
  const bought = pngWith(20 * MEGABYTE, () => 'tEXt')
  const port = await quickVendor(bought.toString('base64'))
  const { url, pid } = await gatewayWith(`keys: [{ name: team, key_hash: ${hashOf('team')} }]
providers:
  relay:
    shape: openai-images
    base_url: http://127.0.0.1:${port}
    api_key: a-vendor-key
    references: image_url
    models: { flux-2-pro: { provider_model: flux, price: { per_image: "0.02" } } }
`)
  const ask = (path: string, body?: object): Promise<Response> =>
    fetch(url + path, {
      headers: { authorization: 'Bearer team', prefer: 'wait=60', ...(body && { 'content-type': 'application/json' }) },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    })
  const order = { model: 'flux-2-pro', prompt: 'a tree' }
  const generation = (await (await ask('/v1/generations', order)).json()) as Generation
  expect(generation.status).toBe('succeeded')
  const references = [pngWith(15 * MEGABYTE, another), await webpWith(15 * MEGABYTE, another)]
  const neighbour = await startNeighbour({ url, pid })
  const held = residentBytes(pid)
  let statuses: readonly number[] = []
  const most = await mostResidentBytes(pid, async () => {
    const asked = async (path: string, body?: object): Promise<void> => void (statuses = [...statuses, (await ask(path, body)).status])
    const stops = [await neighbour.stopsDuring(() => asked(`/v1/images/${generation.images[0]?.id}?w=64`))]
    for (const image of references) {
      const body = { ...order, reference_images: [`data:image/png;base64,${image.toString('base64')}`] }
      stops.push(await neighbour.stopsDuring(() => asked('/v1/quotes', body)))
    }
    for (const { longestMs } of stops) expect(longestMs).toBeLessThan(50)
  })
  neighbour.end()
  // More parts than an image has: no decoder sees it.
  expect(statuses).toEqual([422, 200, 400])
  expect((most - held) / MEGABYTE).toBeLessThan(150)
})
