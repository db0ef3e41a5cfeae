import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, open, readFile, readdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import sharp from 'sharp'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { OutputFormat } from '#contract'
import { AssetError, type Assets } from '../../../src/core/ports.ts'
import { openImages } from '../../../src/store/assets/open-images.ts'
import { vastPng } from './vast-png.ts'

const FORMATS = ['jpeg', 'png', 'webp'] as const
const NO_LIMIT = 10_000_000

let directory: string
let assets: Assets
const images = {} as Record<OutputFormat, Buffer>

const drawn = (width = 160, height = 96) =>
  sharp({ create: { width, height, channels: 3, background: '#468', noise: { type: 'gaussian', mean: 128, sigma: 40 } } })
const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

beforeAll(async () => {
  for (const format of FORMATS) images[format] = await drawn().toFormat(format).toBuffer()
})
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imagegate-assets-'))
  assets = (await openImages({ kind: 'folder', directory })).assets
})
afterEach(async () => {
  vi.restoreAllMocks()
  await rm(directory, { recursive: true })
})

/** The files below the folder, relative to it. */
/** Of what is doubtful, a small image is kept beside it. */
const files = async () =>
  (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.w256.webp'))
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))

const inPieces = (bytes: Buffer, pieceBytes: number) =>
  Readable.from(
    (function* pieces() {
      for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
    })(),
  )

async function refusal(work: Promise<unknown>): Promise<AssetError> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(AssetError)
  return error as AssetError
}

describe('storing an image', () => {
  test.each(FORMATS)('keeps a %s under its hash and says what it is', async (format) => {
    const image = images[format]
    const sha256 = hashOf(image)
    const stored = await assets.put(inPieces(image, 5), NO_LIMIT)
    expect(stored).toEqual({ sha256, format, width: 160, height: 96, bytes: image.length })
    const extension = format === 'jpeg' ? 'jpg' : format
    expect(await files()).toEqual([`${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}.${extension}`])
    expect(await assets.read(sha256, format)).toEqual(image)
  })

  test('leaves its file and its folders to the gateway’s own user, in a folder that others may read', async () => {
    await chmod(directory, 0o755)
    await assets.put(images.png, NO_LIMIT)
    const entries = await readdir(directory, { recursive: true, withFileTypes: true })
    expect(entries.length).toBeGreaterThan(2)
    for (const { parentPath, name } of entries) expect((await stat(join(parentPath, name))).mode & 0o077).toBe(0)
  })

  test.each(FORMATS)('of a %s that is turned by a quarter gives the sides as they are seen', async (format) => {
    for (const [orientation, width, height] of [
      [3, 160, 96],
      [5, 96, 160],
      [6, 96, 160],
      [8, 96, 160],
    ] as const) {
      const image = await drawn().withMetadata({ orientation }).toFormat(format).toBuffer()
      expect(await assets.put(image, NO_LIMIT)).toMatchObject({ format, width, height })
    }
  })

  test('of a turned image that is cut off is refused as of any other', async () => {
    const image = await drawn().withMetadata({ orientation: 6 }).jpeg().toBuffer()
    expect(await refusal(assets.put(image.subarray(0, image.length * 0.7), NO_LIMIT))).toMatchObject({ reason: 'not_an_image' })
  })

  test('refuses a page or a JSON document at its first bytes, and says what came', async () => {
    for (const [text, what] of [
      [' <!doctype html>', 'an HTML page'],
      ['{"error":"busy"}', 'a JSON document'],
    ] as const) {
      let pieces = 0
      const endless = Readable.from(
        (function* () {
          for (;;) yield Buffer.from(pieces++ === 0 ? text : ' '.repeat(1_000))
        })(),
      )
      const error = await refusal(assets.put(endless, NO_LIMIT))
      expect(error).toMatchObject({ reason: 'not_an_image', message: `not a JPEG, PNG or WebP image but ${what}` })
      expect(pieces).toBeLessThan(40)
    }
  })

  test('of a source that is found too large on its way is refused as too large', async () => {
    const source = new Readable({ read() {} })
    source.push(images.png.subarray(0, 100))
    source.destroy(Object.assign(new Error('the body is larger than 100 bytes'), { reason: 'too_large' }))
    expect(await refusal(assets.put(source, NO_LIMIT))).toMatchObject({ reason: 'too_large' })
  })

  test('takes a buffer as it takes a stream', async () => {
    const stored = await assets.put(images.png, NO_LIMIT)
    expect(await assets.read(stored.sha256, 'png')).toEqual(images.png)
  })

  test('keeps the same bytes once, handed in at once or again later', async () => {
    await Promise.all([assets.put(images.png, NO_LIMIT), assets.put(inPieces(images.png, 1_000), NO_LIMIT)])
    const again = await assets.put(images.png, NO_LIMIT)
    expect(again).toMatchObject({ width: 160, height: 96, format: 'png' })
    expect(await files()).toHaveLength(1)
  })

  test('replaces a stored file that something else has shortened', async () => {
    const { sha256 } = await assets.put(images.png, NO_LIMIT)
    const [path = ''] = await files()
    await writeFile(join(directory, path), 'short')
    await assets.put(images.png, NO_LIMIT)
    expect(await assets.read(sha256, 'png')).toEqual(images.png)
  })

  test('takes an image of exactly the most bytes', async () => {
    await expect(assets.put(inPieces(images.jpeg, 100), images.jpeg.length)).resolves.toMatchObject({ format: 'jpeg' })
  })

  test('stores many images at the same time', async () => {
    const many = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        drawn(40 + index, 40)
          .png()
          .toBuffer(),
      ),
    )
    const stored = await Promise.all(many.map((image) => assets.put(inPieces(image, 700), NO_LIMIT)))
    expect(stored.map(({ width }) => width)).toEqual(many.map((_, index) => 40 + index))
    expect(await files()).toHaveLength(12)
  })
})

describe('refusing what is not a whole image', () => {
  const cuts = FORMATS.flatMap((format) => [0.3, 0.6, 0.99].map((part) => [format, part] as const))

  test.each(cuts)('refuses a %s cut off at %f of its bytes and leaves nothing behind', async (format, part) => {
    const cut = images[format].subarray(0, Math.floor(images[format].length * part))
    const { reason, message } = await refusal(assets.put(inPieces(cut, 1_000), NO_LIMIT))
    expect([reason, await files()]).toEqual(['not_an_image', []])
    expect(message).toMatch(/cut off or damaged/)
    expect(message).not.toContain(directory)
  })

  test('refuses a png with a hole in its middle', async () => {
    const holed = Buffer.from(images.png)
    const middle = Math.floor(holed.length / 2)
    holed.fill(0, middle, middle + 200)
    expect(await refusal(assets.put(holed, NO_LIMIT))).toMatchObject({ reason: 'not_an_image' })
  })

  test.each([
    ['an HTML page', '<!DOCTYPE html><title>Sign in</title>'],
    ['a JSON document', '{"error":"not found"}'],
    ['an XML or SVG document', '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'],
    ['a GIF', 'GIF89a\x01\x00\x01\x00\x00\x00\x00;'],
    ['an AVIF, HEIC or video file', '\x00\x00\x00\x1cftypavif\x00\x00\x00\x00'],
    ['nothing at all', ''],
    ['something else', 'PK\x03\x04'],
  ])('refuses %s by that name', async (what, text) => {
    const { reason, message } = await refusal(assets.put(inPieces(Buffer.from(text, 'latin1'), 3), NO_LIMIT))
    expect([reason, message]).toEqual(['not_an_image', `not a JPEG, PNG or WebP image but ${what}`])
    expect(await files()).toEqual([])
  })

  test('refuses what only begins like an image', async () => {
    const { reason } = await refusal(assets.put(Buffer.concat([images.jpeg.subarray(0, 12), Buffer.alloc(500, 'x')]), NO_LIMIT))
    expect(reason).toBe('not_an_image')
  })

  test('stops reading at the first bytes of an endless page', async () => {
    let pages = 0
    const endless = Readable.from(
      (function* page() {
        for (;;) {
          pages++
          yield Buffer.from('<html>'.repeat(1_000))
        }
      })(),
    )
    expect(await refusal(assets.put(endless, NO_LIMIT))).toMatchObject({ reason: 'not_an_image' })
    expect([endless.destroyed, pages < 50]).toEqual([true, true])
  })

  test('opens no file for a small image that is cut off', async () => {
    await rm(join(directory, 'incoming'), { recursive: true })
    await writeFile(join(directory, 'incoming'), 'no folder')
    for (const format of FORMATS) {
      const half = images[format].subarray(0, images[format].length / 2)
      expect(await refusal(assets.put(inPieces(half, 1_000), NO_LIMIT))).toMatchObject({ reason: 'not_an_image' })
    }
    expect(await refusal(assets.put(images.png, NO_LIMIT))).toMatchObject({ reason: 'storage' })
  })

  test('stops reading beyond the most bytes, and says how many that is', async () => {
    const source = inPieces(images.png, 1_000)
    const { reason, message } = await refusal(assets.put(source, 2_500))
    expect([reason, source.destroyed, await files()]).toEqual(['too_large', true, []])
    expect(message).toContain('2500 bytes')
  })

  test('refuses a small file that unfolds to more than 100 megapixels', async () => {
    const bomb = vastPng(16_000, 7_000)
    const { reason, message } = await refusal(assets.put(bomb, NO_LIMIT))
    expect([reason, await files()]).toEqual(['too_large', []])
    expect(message).toContain('16000 × 7000')
  })
})

describe('a store of images whose source or disk fails', () => {
  test('says that the stream broke, and leaves nothing behind', async () => {
    const source = Readable.from(
      (async function* broken() {
        yield images.jpeg.subarray(0, 1_000)
        throw new Error('other side closed')
      })(),
    )
    const { reason, message } = await refusal(assets.put(source, NO_LIMIT))
    expect([reason, await files()]).toEqual(['stream', []])
    expect(message).toContain('other side closed')
  })

  test('bears a stream that broke before it was read', async () => {
    const source = new Readable({ read() {} })
    source.on('error', () => {})
    source.destroy(new Error('reset'))
    expect(await refusal(assets.put(source, NO_LIMIT))).toMatchObject({ reason: 'stream' })
  })

  test('bears a stream that breaks with nobody else listening', async () => {
    const source = new Readable({ read() {} })
    const refused = refusal(assets.put(source, NO_LIMIT))
    source.destroy(new Error('reset'))
    expect(await refused).toMatchObject({ reason: 'stream' })
  })

  test.each([
    ['ENOSPC', /disk is full \(ENOSPC\)/],
    ['EACCES', /may not be written.*\(EACCES\)/],
  ])('says that storing failed where writing fails with %s, lets go of the source, and stores the next one', async (code, message) => {
    const handle = await open(join(directory, 'incoming', 'probe'), 'w')
    const prototype = Object.getPrototypeOf(handle) as typeof handle
    await handle.close()
    await rm(join(directory, 'incoming', 'probe'))
    vi.spyOn(prototype, 'writeFile').mockRejectedValueOnce(Object.assign(new Error(`${code}: write`), { code }))
    const source = inPieces(images.jpeg, 1_000)
    const error = await refusal(assets.put(source, NO_LIMIT))
    expect([error.reason, source.destroyed, await files()]).toEqual(['storage', true, []])
    expect(error.message).toMatch(message)
    await expect(assets.put(images.jpeg, NO_LIMIT)).resolves.toMatchObject({ format: 'jpeg' })
  })

  test('says that storing failed where the disk does not confirm the bytes, and shows no file under the hash', async () => {
    const handle = await open(join(directory, 'incoming', 'probe'), 'w')
    const prototype = Object.getPrototypeOf(handle) as typeof handle
    await handle.close()
    await rm(join(directory, 'incoming', 'probe'))
    vi.spyOn(prototype, 'sync').mockRejectedValueOnce(Object.assign(new Error('EIO: fsync'), { code: 'EIO' }))
    expect(await refusal(assets.put(images.jpeg, NO_LIMIT))).toMatchObject({ reason: 'storage' })
    expect(await files()).toEqual([])
  })

  test('has each name on disk before it says so, and no folder’s own name twice', async () => {
    const flushed: string[] = []
    const handle = await open(join(directory, 'incoming', 'probe'), 'w')
    const prototype = Object.getPrototypeOf(handle) as typeof handle
    await handle.close()
    await rm(join(directory, 'incoming', 'probe'))
    const sync = prototype.sync
    vi.spyOn(prototype, 'sync').mockImplementation(async function (this: typeof handle) {
      flushed.push((await readlink(`/proc/self/fd/${this.fd}`)).slice(directory.length + 1))
      return sync.call(this)
    })
    const { sha256 } = await assets.put(images.jpeg, NO_LIMIT)
    const [first, second] = [sha256.slice(0, 2), `${sha256.slice(0, 2)}/${sha256.slice(2, 4)}`]
    expect(flushed.splice(0)).toEqual([expect.stringMatching(/^incoming\//), second, first, ''])
    await assets.put(images.jpeg, NO_LIMIT)
    expect(flushed.splice(0)).toEqual([second])
    await rm(join(directory, first), { recursive: true })
    await assets.put(images.jpeg, NO_LIMIT)
    expect(flushed.splice(0)).toEqual([expect.stringMatching(/^incoming\//), second, first, ''])
    await rm(join(directory, second), { recursive: true })
    await assets.put(images.jpeg, NO_LIMIT)
    expect(flushed).toEqual([expect.stringMatching(/^incoming\//), second, first])
  })

  test('says that storing failed where a file stands in the way of a folder', async () => {
    const sha256 = hashOf(images.jpeg)
    await writeFile(join(directory, sha256.slice(0, 2)), '')
    expect(await refusal(assets.put(images.jpeg, NO_LIMIT))).toMatchObject({ reason: 'storage' })
    expect(await files()).toEqual([sha256.slice(0, 2)])
  })

  test('removes at its start what a crash left half-written, and nothing else', async () => {
    const { sha256 } = await assets.put(images.webp, NO_LIMIT)
    await writeFile(join(directory, 'incoming', 'left-over'), 'half a pic')
    assets = (await openImages({ kind: 'folder', directory })).assets
    expect(await files()).toHaveLength(1)
    expect(await assets.read(sha256, 'webp')).toEqual(images.webp)
  })

  test('says which folder it cannot use', async () => {
    await mkdir(dirname(join(directory, 'file')), { recursive: true })
    await writeFile(join(directory, 'file'), '')
    const { reason, message } = await refusal(openImages({ kind: 'folder', directory: join(directory, 'file') }))
    expect(reason).toBe('storage')
    expect(message).toContain(join(directory, 'file'))
  })
})

describe('reading an image', () => {
  test('gives the whole of it, or the bytes of a range with both ends', async () => {
    const { sha256 } = await assets.put(images.jpeg, NO_LIMIT)
    const bytesOf = async (range?: { start: number; end: number }) => {
      const stream = await assets.open(sha256, 'jpeg', range)
      return stream === null ? null : buffer(stream)
    }
    expect(await bytesOf()).toEqual(images.jpeg)
    expect(await bytesOf({ start: 10, end: 19 })).toEqual(images.jpeg.subarray(10, 20))
    expect(await bytesOf({ start: 0, end: 0 })).toEqual(images.jpeg.subarray(0, 1))
  })

  test('says null for one that is gone or was never there', async () => {
    const { sha256 } = await assets.put(images.jpeg, NO_LIMIT)
    expect(await assets.open(sha256, 'png')).toBeNull()
    expect(await assets.read('0'.repeat(64), 'jpeg')).toBeNull()
    const [path = ''] = await files()
    await rm(join(directory, path))
    expect(await assets.open(sha256, 'jpeg')).toBeNull()
  })

  test.each(['../../etc/passwd', '', 'A'.repeat(64), `${'a'.repeat(63)}/`, `${'a'.repeat(64)}\n`, `../${'a'.repeat(61)}`])(
    'refuses the name %j, which is no hash',
    async (name) => {
      await expect(assets.open(name, 'jpeg')).rejects.toThrow(/SHA-256/)
      await expect(assets.read(name, 'jpeg')).rejects.toThrow(/SHA-256/)
    },
  )

  test('refuses a format that would become another path', async () => {
    await expect(assets.read('a'.repeat(64), '/../x' as OutputFormat)).rejects.toThrow(/jpeg, png or webp/)
  })

  test('says that storage failed where the file cannot be read', async () => {
    const sha256 = 'a'.repeat(64)
    await mkdir(join(directory, 'aa', 'aa'), { recursive: true })
    // One that leads to itself: root may read every other.
    await symlink(`${sha256}.png`, join(directory, 'aa', 'aa', `${sha256}.png`))
    expect(await refusal(assets.read(sha256, 'png'))).toMatchObject({ reason: 'storage' })
  })

  test('stores what it later reads without changing a byte', async () => {
    const { sha256 } = await assets.put(inPieces(images.webp, 333), NO_LIMIT)
    const [path = ''] = await files()
    expect(hashOf(await readFile(join(directory, path)))).toBe(sha256)
  })
})
