import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { GenerationRecord } from '../../../src/core/records.ts'
import { folderStorage } from '../../../src/store/assets/folder-storage.ts'
import { openImages } from '../../../src/store/assets/open-images.ts'
import { agesOf } from '../../../src/core/ages.ts'
import { startRetention, sweep } from '../../../src/store/assets/retention.ts'
import type { RetentionDependencies, RetentionLimits } from '../../../src/store/assets/retention.ts'
import { manualClock, planned } from '../../core/generation/world.ts'

const DAY_MS = 86_400_000
const NOW = Date.UTC(2026, 10, 21)

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imagegate-retention-'))
})
afterEach(() => rm(directory, { recursive: true }))

/** A file as `openImages` names it, stored so many days ago; its hash. */
async function stored(name: string, daysAgo: number, bytes = 100): Promise<string> {
  const sha256 = createHash('sha256').update(name).digest('hex')
  const folder = join(directory, sha256.slice(0, 2), sha256.slice(2, 4))
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${sha256}.png`)
  await writeFile(path, Buffer.alloc(bytes))
  const at = new Date(NOW - daysAgo * DAY_MS)
  await utimes(path, at, at)
  return sha256
}

const storageIn = (folder: string) => folderStorage({ directory: folder, incoming: join(folder, 'incoming') })

const left = async () =>
  (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name.replace(/\.png$/, ''))
    .sort()

const world = (limits: Partial<RetentionLimits>, open: readonly GenerationRecord[] = []) => {
  const clock = manualClock(NOW)
  const logged: string[] = []
  const dependencies: RetentionDependencies = {
    storage: storageIn(directory),
    clock,
    ages: agesOf(clock),
    limits: () => ({ maxAgeDays: null, maxBytes: null, ...limits }),
    store: {
      list: async ({ status, cursor }) => {
        const matching = open.filter((record) => record.status === status)
        const index = Number(cursor ?? 0)
        return { records: matching.slice(index, index + 1), nextCursor: index + 1 < matching.length ? String(index + 1) : null }
      },
    },
    log: { info: (_, message) => void logged.push(message), error: (_, message) => void logged.push(message) },
  }
  return { clock, logged, dependencies }
}

describe('a sweep', () => {
  test('reads nothing where there is no limit', async () => {
    await stored('ancient', 4_000)
    expect(await sweep(world({}).dependencies)).toBeNull()
    expect(await left()).toHaveLength(1)
  })

  test('by age removes what is older, and nothing else', async () => {
    await stored('old', 31)
    const young = await stored('young', 29)
    await mkdir(join(directory, 'incoming'), { recursive: true })
    await writeFile(join(directory, 'incoming', 'half-written'), 'x')
    expect(await sweep(world({ maxAgeDays: 30 }).dependencies)).toEqual({ removed: 1, freedBytes: 100 })
    expect(await left()).toEqual([young, 'half-written'].sort())
  })

  test('by bytes removes the oldest until the rest fits', async () => {
    await stored('oldest', 3, 400)
    await stored('older', 2, 400)
    const newer = await stored('newer', 1, 400)
    expect(await sweep(world({ maxBytes: 700 }).dependencies)).toEqual({ removed: 2, freedBytes: 800 })
    expect(await left()).toEqual([newer])
  })

  test('counts small images with their own and removes them together, and those whose image is gone', async () => {
    const older = await stored('older', 2, 400)
    const newer = await stored('newer', 1, 400)
    const gone = await stored('gone', 1, 10)
    const small = async (sha256: string, bytes: number): Promise<void> =>
      writeFile(join(directory, sha256.slice(0, 2), sha256.slice(2, 4), `${sha256}.png.w256.webp`), Buffer.alloc(bytes))
    for (const sha256 of [older, newer, gone]) await small(sha256, 200)
    await rm(join(directory, gone.slice(0, 2), gone.slice(2, 4), `${gone}.png`))
    expect(await sweep(world({ maxBytes: 1_199 }).dependencies)).toEqual({ removed: 1, freedBytes: 600 })
    expect(await left()).toEqual([newer, `${newer}.png.w256.webp`].sort())
  })

  test('removes nothing where everything fits to the byte', async () => {
    await stored('one', 3, 400)
    await stored('other', 2, 300)
    expect(await sweep(world({ maxBytes: 700 }).dependencies)).toEqual({ removed: 0, freedBytes: 0 })
  })

  test('spares the images of the last 15 minutes, whatever the limits', async () => {
    const fresh = await stored('fresh', 14 / 1_440)
    await stored('stale', 16 / 1_440)
    await sweep(world({ maxBytes: 0, maxAgeDays: 0.001 }).dependencies)
    expect(await left()).toEqual([fresh])
  })

  test('spares what open generations refer to and what they have stored, on every page of them', async () => {
    const [reference, image, unneeded] = [await stored('reference', 50), await stored('image', 50), await stored('unneeded', 50)]
    const pixels = { width: 1, height: 1 }
    const queued: GenerationRecord = { ...planned(['alpha']), references: [{ kind: 'stored', sha256: reference, format: 'png', pixels }] }
    const other: GenerationRecord = { ...planned(['alpha']), status: 'running' }
    const running: GenerationRecord = { ...planned(['alpha']), status: 'running' }
    const common = {
      generationId: running.id,
      format: 'png',
      width: 1,
      height: 1,
      bytes: 100,
      seed: null,
      flagged: null,
      link: null,
    } as const
    running.images = [{ id: 'img_1', sha256: image, ...common }]
    await sweep(world({ maxAgeDays: 30, maxBytes: 0 }, [queued, other, running]).dependencies)
    expect(await left()).toEqual([reference, image].sort())
    expect(await left()).not.toContain(unneeded)
  })

  test('leaves content that was stored again: it is as young as its youngest image', async () => {
    const { assets } = await openImages({ kind: 'folder', directory })
    const bytes = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#123' } })
      .png()
      .toBuffer()
    const { sha256 } = await assets.put(bytes, 1_000_000)
    const path = join(directory, sha256.slice(0, 2), sha256.slice(2, 4), `${sha256}.png`)
    const longAgo = new Date(Date.now() - 90 * DAY_MS)
    await utimes(path, longAgo, longAgo)
    await assets.put(bytes, 1_000_000)
    const { dependencies } = world({ maxAgeDays: 30 })
    await sweep({ ...dependencies, ages: { of: (instant) => Date.now() - instant } })
    expect((await left()).filter((name) => !name.includes('.w256.'))).toEqual([sha256])
  })

  test('leaves a file that is stored again while the sweep is under way', async () => {
    const again = await stored('again', 40)
    const { dependencies } = world({ maxAgeDays: 30 })
    const path = join(directory, again.slice(0, 2), again.slice(2, 4), `${again}.png`)
    const now = new Date(NOW)
    const store = { list: async () => utimes(path, now, now).then(() => ({ records: [], nextCursor: null })) }
    expect(await sweep({ ...dependencies, store })).toMatchObject({ removed: 0 })
    expect(await left()).toEqual([again])
  })
})

describe('retention', () => {
  test('sweeps at the start and every hour, until it is stopped', async () => {
    const { clock, dependencies } = world({ maxAgeDays: 30 })
    await stored('old', 31)
    await stored('soon', 30 - 1 / 48)
    const sweeps: Promise<unknown>[] = []
    const stop = startRetention({
      ...dependencies,
      limits: () => {
        sweeps.push(Promise.resolve())
        return dependencies.limits()
      },
    })
    await stop()
    expect(await left()).toHaveLength(1)
    await clock.pass(2 * 3_600_000)
    expect(sweeps).toHaveLength(1)

    const again = startRetention(dependencies)
    for (let turn = 0; turn < 50; turn++) await clock.pass(0)
    await clock.pass(3_600_000)
    await again()
    expect(await left()).toHaveLength(0)
  })

  test('goes on after a sweep that failed, and says so', async () => {
    const { dependencies, logged } = world({ maxAgeDays: 30 })
    const stop = startRetention({ ...dependencies, storage: storageIn(join(directory, 'missing')) })
    await stop()
    expect(logged).toEqual(['images could not be swept; the next try is in an hour'])
  })
})
