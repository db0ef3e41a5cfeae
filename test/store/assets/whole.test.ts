import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { formatOf } from '#contract'
import { AssetError, type Assets } from '../../../src/core/ports.ts'
import { openImages } from '../../../src/store/assets/open-images.ts'
import { structureOf } from '../../../src/store/assets/structure/structure.ts'
import type { Verdict } from '../../../src/store/assets/structure/verdict.ts'
import { honestImages } from './honest-images.ts'
import { hostileImages } from './hostile-images.ts'

const honest = await honestImages()
const hostile = await hostileImages()
const NO_LIMIT = 10_000_000

let directory: string
let assets: Assets
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imagegate-whole-'))
  assets = (await openImages({ kind: 'folder', directory })).assets
})
afterAll(() => rm(directory, { recursive: true }))

function verdictIn(bytes: Buffer, pieceBytes: number, statedBytes: number | null = null): Verdict {
  const format = formatOf(bytes)
  if (format === null) return { kind: 'damaged', why: 'no image' }
  const structure = structureOf(format, statedBytes)
  for (let at = 0; at < bytes.length; at += pieceBytes) structure.take(bytes.subarray(at, at + pieceBytes))
  return structure.verdict()
}

describe('an image as encoders write it', () => {
  test.each([...honest])('is stored byte for byte: %s', async (_, { bytes, width, height }) => {
    const { sha256, format, ...stored } = await assets.put(Readable.from([bytes], { objectMode: false }), NO_LIMIT)
    expect(stored).toMatchObject({ width, height, bytes: bytes.length })
    expect(await assets.read(sha256, format)).toEqual(bytes)
  })

  test.each([...honest])('needs a decoder only where its structure cannot say that it is whole: %s', (_, { bytes, isCertain }) => {
    expect(verdictIn(bytes, bytes.length).kind).toBe(isCertain ? 'whole' : 'doubtful')
  })
})

test.each([...honest])('a small image is made of what is decoded anyway, and of nothing else: %s', async (name, { bytes, isCertain }) => {
  const folder = await mkdtemp(join(directory, 'small-'))
  const own = (await openImages({ kind: 'folder', directory: folder })).assets
  const { sha256, format } = await own.put(Readable.from([bytes], { objectMode: false }), NO_LIMIT)
  const small = (await filesIn(folder)).filter((path) => path.endsWith('.w256.webp'))
  expect(small, name).toHaveLength(isCertain ? 0 : 1)
  if (small[0] !== undefined) expect(await readFile(join(folder, small[0]))).toEqual(await own.small(sha256, format, 256))
  const other = await own.small(sha256, format, 64)
  expect(other && formatOf(other)).toBe('webp')
})

test.each([
  ['in memory', 150],
  ['in a file', 900],
])('an image that one key had examined is decoded anew for another, and for that key it is not: %s', async (_, side) => {
  const create = { width: side, height: side, channels: 3, background: '#468', noise: { type: 'gaussian', mean: 128, sigma: 40 } } as const
  const bytes = await sharp({ create }).jpeg({ progressive: true, quality: 100 }).toBuffer()
  /** A small image is made of what is decoded. */
  const isDecodedFor = async (owner: string): Promise<boolean> => {
    const folder = await mkdtemp(join(directory, 'examined-'))
    const own = (await openImages({ kind: 'folder', directory: folder })).assets
    const sent = () => Readable.from([bytes], { objectMode: false })
    await own.examine(sent(), NO_LIMIT, 'one')
    await own.put(sent(), NO_LIMIT, null, owner)
    return (await filesIn(folder)).some((path) => path.endsWith('.w256.webp'))
  }
  expect([await isDecodedFor('one'), await isDecodedFor('another')]).toEqual([false, true])
})

describe('a hostile image', () => {
  test('comes in more than 60 kinds', () => {
    expect(hostile.size).toBeGreaterThan(60)
  })

  test.each([...hostile])('is refused with a reason, and nothing of it is kept: %s', async (_, bytes) => {
    const before = await filesIn(directory)
    const error: unknown = await assets.put(Readable.from([bytes], { objectMode: false }), NO_LIMIT).then(
      () => 'stored',
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(AssetError)
    expect(error).toMatchObject({ reason: expect.stringMatching(/^(not_an_image|too_large)$/), message: expect.stringMatching(/.{20}/) })
    expect(await filesIn(directory)).toEqual(before)
  })
})

test.each([...honest].map(([name, { bytes }]) => [name, bytes] as const).concat([...hostile]))(
  'a structure is judged alike in pieces of any size: %s',
  (_, bytes) => {
    const expected = verdictIn(bytes, Math.max(1, bytes.length))
    for (const pieceBytes of [1, 2, 3, 7, 61, 1_000]) expect([pieceBytes, verdictIn(bytes, pieceBytes)]).toEqual([pieceBytes, expected])
  },
)

describe('an image that came as long as it was stated beforehand', () => {
  const stated = (bytes: Buffer): Verdict => verdictIn(bytes, Math.max(1, bytes.length), bytes.length)

  test.each([...honest])('is stored byte for byte: %s', async (_, { bytes }) => {
    const { sha256, format } = await assets.put(Readable.from([bytes], { objectMode: false }), NO_LIMIT, bytes.length)
    expect(await assets.read(sha256, format)).toEqual(bytes)
  })

  test('needs no decoder where it is no progressive JPEG and has as many bytes as photographs take', () => {
    const decoded = [...honest].filter(([, { bytes }]) => stated(bytes).kind === 'doubtful').map(([name]) => name)
    expect(decoded).toEqual(['a progressive JPEG', 'a JPEG by mozjpeg', 'a flat PNG', 'a lossless WebP', 'a WebP of quality 1'])
  })

  test('escapes as a PNG or a WebP that its sender closes early, and in no other way', () => {
    const escaped = [...hostile].filter(([, bytes]) => stated(bytes).kind === 'whole').map(([name]) => name)
    expect(escaped).toEqual([
      'a PNG with half the rows of its header',
      'a WebP with a chunk shorter than its pixels',
      'a WebP with fewer rows than its header says',
    ])
  })

  test('is doubtful where it is longer or shorter than that', () => {
    const { bytes } = honest.get('a lossy WebP') ?? { bytes: Buffer.alloc(0) }
    expect([-1, 0, 1].map((more) => verdictIn(bytes, 1_000, bytes.length + more).kind)).toEqual(['doubtful', 'whole', 'doubtful'])
  })
})

const filesIn = async (folder: string): Promise<readonly string[]> => (await readdir(folder, { recursive: true })).toSorted()
