import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { Reference } from '../../../src/core/records.ts'
import { rememberSizes } from '../../../src/core/generation/remember-sizes.ts'
import type { Download, Downloaded, Ports } from '../../../src/core/ports.ts'

const link = (url: string): Reference => ({ kind: 'url', url, pixels: null })
const size = { width: 640, height: 480 }

const clock = { monotonicMs: () => 0 } as Ports['clock']
const measureReferences = (ports: Pick<Ports, 'download' | 'assets'>, references: readonly Reference[]) =>
  rememberSizes({ ...ports, clock })(null)(references)

/** Says the size once it has seen `bytes` of an image. */
const measuredAt = (bytes: number) => ({ measure: async (head: Buffer) => (head.length >= bytes ? size : null) }) as never

/** An image of endless bytes, in pieces of 1 KiB, that counts how many were taken. */
function endless() {
  const counted = { pieces: 0, stream: null as Readable | null }
  const stream = new Readable({
    highWaterMark: 1,
    read() {
      counted.pieces += 1
      this.push(Buffer.alloc(1024))
    },
  })
  counted.stream = stream
  return counted
}

const delivers =
  (stream: Readable): Download =>
  async () => ({ kind: 'body', stream, contentType: null, statedBytes: null })

describe('measuring references behind links', () => {
  test.each<[string, Downloaded | Error]>([
    ['is refused by the guard', { kind: 'refused', reason: 'not a public address' }],
    ['is dead', { kind: 'expired', status: 404 }],
    ['fails', { kind: 'failed', reason: 'not done in time', retryable: true }],
    ['throws', new Error('unexpected')],
    ['delivers no image', { kind: 'body', stream: Readable.from([Buffer.from('<html>')]), contentType: null, statedBytes: null }],
    ['delivers nothing', { kind: 'body', stream: Readable.from([]), contentType: null, statedBytes: null }],
  ])('leaves one that %s as it was', async (_, answer) => {
    const download: Download = async () => {
      if (answer instanceof Error) throw answer
      return answer
    }
    expect(await measureReferences({ download, assets: measuredAt(100_000) }, [link('https://a.example/1')])).toEqual([
      link('https://a.example/1'),
    ])
  })

  test('leaves one whose connection breaks as it was', async () => {
    const broken = new Readable({
      read() {
        this.destroy(new Error('reset'))
      },
    })
    const [reference] = await measureReferences({ download: delivers(broken), assets: measuredAt(1) }, [link('https://a.example/1')])
    expect(reference?.pixels).toBeNull()
  })

  test('stops reading as soon as the size is known', async () => {
    const image = endless()
    const [reference] = await measureReferences({ download: delivers(image.stream ?? Readable.from([])), assets: measuredAt(10_000) }, [
      link('https://a.example/1'),
    ])
    expect(reference).toEqual({ kind: 'url', url: 'https://a.example/1', pixels: size })
    expect(image.pieces).toBeLessThan(24)
    expect(image.stream?.destroyed).toBe(true)
  })

  test('gives up after half a megabyte, whatever the image weighs', async () => {
    const image = endless()
    const [reference] = await measureReferences(
      { download: delivers(image.stream ?? Readable.from([])), assets: measuredAt(Number.POSITIVE_INFINITY) },
      [link('https://a.example/1')],
    )
    expect(reference?.pixels).toBeNull()
    expect(image.pieces).toBeLessThan(1_060)
    expect(image.stream?.destroyed).toBe(true)
  })

  test('says when no more bytes will be read, at the end of the image or of what is read of it', async () => {
    const seen: (readonly [number, boolean | undefined])[] = []
    const assets = { measure: async (head: Buffer, isLast?: boolean) => (seen.push([head.length, isLast]), null) } as never
    const whole = Readable.from([Buffer.alloc(5_000), Buffer.alloc(2_000)])
    await measureReferences({ download: delivers(whole), assets }, [link('https://a.example/1')])
    expect(seen).toEqual([
      [5_000, false],
      [7_000, true],
    ])
    seen.length = 0
    await measureReferences({ download: delivers(endless().stream ?? whole), assets }, [link('https://a.example/2')])
    expect(seen.at(-1)).toEqual([512 * 1_024, true])
  })

  test('waits three seconds for each at most', async () => {
    const asked: unknown[] = []
    const download: Download = async (_url, options) => (
      asked.push(options),
      { kind: 'failed', reason: 'not done in time', retryable: true }
    )
    await measureReferences({ download, assets: measuredAt(1) }, [link('https://a.example/1')])
    expect(asked).toMatchObject([{ silenceMs: 3_000, timeoutMs: 3_000 }])
  })

  test('asks all at once, each link once, and none whose pixels are known', async () => {
    const urls: string[] = []
    let waiting = 0
    let most = 0
    const download: Download = async (url) => {
      urls.push(url)
      waiting += 1
      most = Math.max(most, waiting)
      await new Promise((resolve) => setImmediate(resolve))
      waiting -= 1
      return { kind: 'body', stream: Readable.from([Buffer.alloc(10)]), contentType: null, statedBytes: null }
    }
    const stored: Reference = { kind: 'stored', sha256: 'a', format: 'png', pixels: { width: 1, height: 1 } }
    const measured = await measureReferences({ download, assets: measuredAt(1) }, [
      link('https://a.example/1'),
      stored,
      link('https://a.example/2'),
      link('https://a.example/1'),
    ])
    expect(urls).toEqual(['https://a.example/1', 'https://a.example/2'])
    expect(most).toBe(2)
    expect(measured.map(({ pixels }) => pixels)).toEqual([size, { width: 1, height: 1 }, size, size])
  })

  test('remembers a size for its own key alone', async () => {
    let fetched = 0
    const download: Download = async () => {
      fetched += 1
      return { kind: 'body', stream: Readable.from([Buffer.alloc(1024)]), contentType: null, statedBytes: null }
    }
    const measureFor = rememberSizes({ download, assets: measuredAt(1), clock })
    for (const key of ['alice', 'alice', 'bob', null]) await measureFor(key)([link('https://a.test/1.png')])
    expect(fetched).toBe(3)
  })
})
