import { randomFillSync, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openImages } from '../../../src/store/assets/open-images.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imagegate-turns-'))
})
afterAll(() => rm(directory, { recursive: true }))

/**
 * The most milliseconds that this thread computed between two turns: how long it had to wait for a processor of this machine is not ours.
 * A folder of its own each time: what is stored already is not judged whole.
 */
async function longestTurn(bytes: Buffer): Promise<number> {
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
  await assets.put(bytes, 100 * 1_048_576)
  isDone = true
  return longest
}

test('a large image is judged in turns, so that nobody else waits for 50 ms', async () => {
  const pixels = randomFillSync(Buffer.alloc(4_700 * 4_500 * 3))
  const raw = sharp(pixels, { raw: { width: 4_700, height: 4_500, channels: 3 } })
  for (const bytes of [
    await raw.clone().png({ compressionLevel: 0 }).toBuffer(),
    await raw.jpeg({ quality: 98, chromaSubsampling: '4:4:4' }).toBuffer(),
  ]) {
    let longest = await longestTurn(bytes)
    // A real stop recurs, a busy machine’s does not.
    for (let again = 0; again < 2 && longest >= 50; again++) longest = await longestTurn(bytes)
    expect(bytes.length).toBeGreaterThan(40 * 1_048_576)
    expect(longest).toBeLessThan(50)
  }
}, 120_000)
