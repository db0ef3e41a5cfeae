import { randomFillSync, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openImages } from '../../../src/store/assets/open-images.ts'
import { greyJpeg, manyCodeTables, pngChunk, pngChunks } from './image-parts.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imagegate-turns-'))
})
afterAll(() => rm(directory, { recursive: true }))

/**
 * The most milliseconds that this thread computed between two turns: how long it had to wait for a processor of this machine is not ours.
 * A folder of its own each time: what is stored already is not judged whole.
 */
async function longestTurn(...images: readonly Buffer[]): Promise<number> {
  const { assets } = await openImages({ kind: 'folder', directory: join(directory, randomUUID()) })
  let longest = 0
  let isDone = false
  let last = process.threadCpuUsage().user
  const turn = (): void => {
    const { user } = process.threadCpuUsage()
    longest = Math.max(longest, (user - last) / 1_000)
    last = user
    if (!isDone) setImmediate(turn)
  }
  setImmediate(turn)
  await Promise.all(images.map((bytes) => assets.put(bytes, 100 * 1_048_576).catch((error: unknown) => error)))
  isDone = true
  return longest
}

/** The least of three: a real stop recurs, a busy machine’s does not. */
async function leastLongestTurn(...images: readonly Buffer[]): Promise<number> {
  let least = await longestTurn(...images)
  for (let again = 0; again < 2 && least >= 50; again++) least = Math.min(least, await longestTurn(...images))
  return least
}

const inserted = (image: Buffer, at: number, ...pieces: readonly Buffer[]): Buffer =>
  Buffer.concat([image.subarray(0, at), ...pieces, image.subarray(at)])

async function costlySmallImages(): Promise<Readonly<Record<string, Buffer>>> {
  const plain = sharp({ create: { width: 8, height: 8, channels: 3, background: '#246' } })
  const png = await plain.clone().png().toBuffer()
  const data = pngChunks(png).find(({ name }) => name === 'IDAT')?.at ?? 0
  const emptyData = pngChunk('IDAT', Buffer.alloc(0))
  return {
    'a million blocks in 250 kB': greyJpeg({ columns: 4_600, rows: 4_600 }),
    'twenty thousand chunks without data': inserted(png, data, ...Array.from({ length: 20_000 }, () => emptyData)),
    'ten thousand code tables': inserted(await plain.jpeg().toBuffer(), 2, ...Array.from({ length: 3 }, () => manyCodeTables(3_447))),
  }
}

test.each(Object.entries(await costlySmallImages()))(
  'sixteen small images are judged in turns as well: %s',
  async (_, image) => {
    expect(image.length).toBeLessThan(256 * 1_024)
    expect(await leastLongestTurn(...Array.from({ length: 16 }, () => image))).toBeLessThan(50)
  },
  120_000,
)

test('a large image is judged in turns, so that nobody else waits for 50 ms', async () => {
  const pixels = randomFillSync(Buffer.alloc(4_700 * 4_500 * 3))
  const raw = sharp(pixels, { raw: { width: 4_700, height: 4_500, channels: 3 } })
  for (const bytes of [
    await raw.clone().png({ compressionLevel: 0 }).toBuffer(),
    await raw.jpeg({ quality: 98, chromaSubsampling: '4:4:4' }).toBuffer(),
  ]) {
    expect(bytes.length).toBeGreaterThan(40 * 1_048_576)
    expect(await leastLongestTurn(bytes)).toBeLessThan(50)
  }
}, 120_000)
