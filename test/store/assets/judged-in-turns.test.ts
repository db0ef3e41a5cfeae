import { randomFillSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Assets } from '../../../src/core/ports.ts'
import { openImages } from '../../../src/store/assets/open-images.ts'

let directory: string
let assets: Assets
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imagegate-turns-'))
  assets = (await openImages({ kind: 'folder', directory })).assets
})
afterAll(() => rm(directory, { recursive: true }))

test('a large image is judged in turns, so that nobody else waits for 50 ms', async () => {
  const pixels = randomFillSync(Buffer.alloc(4_700 * 4_500 * 3))
  const raw = sharp(pixels, { raw: { width: 4_700, height: 4_500, channels: 3 } })
  for (const bytes of [
    await raw.clone().png({ compressionLevel: 0 }).toBuffer(),
    await raw.jpeg({ quality: 98, chromaSubsampling: '4:4:4' }).toBuffer(),
  ]) {
    const turns: number[] = []
    let isDone = false
    let last = process.threadCpuUsage().user
    // What this thread computed between two turns: how long it had to wait for a processor of this machine is not ours.
    const turn = (): void => {
      const { user } = process.threadCpuUsage()
      turns.push((user - last) / 1_000)
      last = user
      if (!isDone) setImmediate(turn)
    }
    setImmediate(turn)
    await assets.put(bytes, 100 * 1_048_576)
    isDone = true
    expect(bytes.length).toBeGreaterThan(40 * 1_048_576)
    expect(turns.reduce((longest, turn) => Math.max(longest, turn), 0)).toBeLessThan(50)
  }
}, 120_000)
