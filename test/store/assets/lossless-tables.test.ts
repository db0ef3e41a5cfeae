import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Assets } from '../../../src/core/ports.ts'
import { openImages } from '../../../src/store/assets/open-images.ts'
import { countTables } from '../../../src/store/assets/structure/lossless-tables.ts'
import { losslessIn } from '../../../src/store/assets/structure/webp.ts'
import { riff, riffChunk, riffChunks } from './image-parts.ts'

const NO_LIMIT = 5_000_000
/** Of sixteen pixels each, one for each table. */
const SIDE = 1_024

let directory: string
let assets: Assets
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imagegate-tables-'))
  assets = (await openImages({ kind: 'folder', directory })).assets
})
afterAll(() => rm(directory, { recursive: true }))

class Writer {
  readonly #bits: number[] = []

  put(value: number, bits: number): this {
    for (let at = 0; at < bits; at++) this.#bits.push((value >> at) & 1)
    return this
  }

  /** A code of one symbol, 0. */
  flat(times: number): this {
    for (let at = 0; at < times; at++) this.put(1, 4)
    return this
  }

  /** A code in which each byte is itself, backwards; more symbols have none. */
  bytes(symbols: number): this {
    this.put(0, 1).put(8, 4)
    // Of the lengths 0 and 8, a bit each, in the order in which lengths are written.
    for (const length of [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8]) this.put(length === 0 || length === 8 ? 1 : 0, 3)
    this.put(0, 1)
    for (let symbol = 0; symbol < symbols; symbol++) this.put(symbol < 256 ? 1 : 0, 1)
    return this
  }

  byte(value: number): this {
    for (let at = 7; at >= 0; at--) this.put((value >> at) & 1, 1)
    return this
  }

  end(): Buffer {
    const bytes = Buffer.alloc(Math.ceil(this.#bits.length / 8) + 8)
    this.#bits.forEach((bit, at) => (bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (bit << (at & 7))))
    return bytes
  }
}

/** Pixels of one colour, each block of which has one of so many code tables. */
function pixelsWith(tables: number, before: (written: Writer) => Writer = (written) => written): Buffer {
  const written = before(new Writer())
  written.put(0, 1).put(0, 1).put(1, 1).put(0, 3)
  written.put(0, 1).bytes(280).bytes(256).flat(3)
  for (let block = 0; block < (SIDE / 4) ** 2; block++) {
    const index = block % tables
    written.byte(index & 0xff).byte(index >> 8)
  }
  return written.flat(5 * tables).end()
}

const asPixels = (stream: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head[0] = 0x2f
  head.writeUInt32LE((SIDE - 1) | ((SIDE - 1) << 14), 1)
  return riff(riffChunk('VP8L', Buffer.concat([head, stream])))
}

async function asTransparency(stream: Buffer): Promise<Buffer> {
  const plain = await sharp({ create: { width: SIDE, height: SIDE, channels: 3, background: '#246' } })
    .webp()
    .toBuffer()
  const pixels = riffChunks(plain).map(({ at, end }) => plain.subarray(at, end))
  const extended = Buffer.alloc(10)
  extended.writeUInt8(0x10)
  extended.writeUIntLE(SIDE - 1, 4, 3)
  extended.writeUIntLE(SIDE - 1, 7, 3)
  return riff(riffChunk('VP8X', extended), riffChunk('ALPH', Buffer.concat([Buffer.of(1), stream])), ...pixels)
}

function tablesOf(webp: Buffer): number | null {
  const lossless = losslessIn(webp)
  if (lossless === null) return null
  const counting = countTables(webp.subarray(0, lossless.end), lossless.at, lossless.size, Infinity)
  for (;;) {
    const { done, value } = counting.next()
    if (done === true) return value
  }
}

/** What may come before the tables: blocks of a prediction, of colours, green taken away. */
const transforms = (written: Writer): Writer =>
  written.put(1, 1).put(0, 2).put(0, 3).put(0, 1).flat(5).put(1, 1).put(1, 2).put(3, 3).put(0, 1).flat(5).put(1, 1).put(2, 2)

describe('the code tables of a WebP without loss', () => {
  test.each([1, 2, 300, 4_000, 65_536])('are counted, %i of them, and its decoder takes as many', async (tables) => {
    for (const stream of [pixelsWith(tables), pixelsWith(tables, transforms)]) {
      const images = [asPixels(stream), await asTransparency(stream)]
      expect(images.map(tablesOf)).toEqual([tables, tables])
      if (tables > 300) continue
      for (const image of images)
        expect((await sharp(image, { failOn: 'error' }).raw().toBuffer()).length).toBeGreaterThanOrEqual(SIDE * SIDE * 3)
    }
  })

  test.each([4_000, 5_001])('are made by a decoder where there are few: %i', async (tables) => {
    const stream = pixelsWith(tables)
    for (const image of [asPixels(stream), await asTransparency(stream)]) {
      const examined = assets.examine(image, NO_LIMIT)
      await (tables > 5_000 ? expect(examined).rejects.toThrow(/more than 5000 code tables/) : expect(examined).resolves.toBeDefined())
    }
  })

  test('are few in what an encoder writes', async () => {
    const side = 512
    const noisy = Buffer.from(Array.from({ length: side * side * 4 }, (_, at) => (at % 4 === 3 ? at >> 12 : (at >> 6) ^ (at * 7))))
    const image = sharp(noisy, { raw: { width: side, height: side, channels: 4 } })
    for (const options of [{ lossless: true }, { lossless: true, effort: 6 }, { nearLossless: true }, { quality: 80 }]) {
      const tables = tablesOf(await image.clone().webp(options).toBuffer())
      expect(tables).toBeGreaterThan(0)
      expect(tables).toBeLessThan(2_601)
    }
  })
})

test('a WebP with two transparencies is none', async () => {
  const webp = await asTransparency(pixelsWith(1))
  const parts = riffChunks(webp).map(({ at, end }) => webp.subarray(at, end))
  const [head, alpha, pixels] = parts as [Buffer, Buffer, Buffer]
  await expect(assets.put(riff(head, alpha, alpha, pixels), NO_LIMIT)).rejects.toThrow(/two transparencies/)
})
