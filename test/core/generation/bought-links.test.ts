import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import type { Download } from '../../../src/core/ports.ts'
import type { Reference } from '../../../src/core/records.ts'
import { boughtLinks } from '../../../src/core/generation/bought-links.ts'

const link = (url: string): Reference => ({ kind: 'url', url, pixels: null })
const size = { width: 640, height: 480 }

/** Links that deliver 1 MiB in pieces of 1 KiB; `pieces` counts those that were taken, `open` the connections. */
function world() {
  const counted = { asked: [] as string[], pieces: 0, open: 0 }
  const download: Download = async (url) => {
    counted.asked.push(url)
    if (url.endsWith('gone')) return { kind: 'expired', status: 404 }
    counted.open += 1
    let left = 1_024
    const stream = new Readable({
      highWaterMark: 1,
      read() {
        counted.pieces += 1
        this.push(left-- > 0 ? Buffer.alloc(1_024, left % 256) : null)
      },
    })
    stream.once('close', () => (counted.open -= 1))
    return { kind: 'body', stream, contentType: null, statedBytes: null }
  }
  const assets = {
    measure: async () => size,
    putReference: async (source: Readable) => ({
      sha256: 'a',
      format: 'png',
      bytes: (await buffer(source)).length,
      width: 640,
      height: 480,
    }),
  }
  return { counted, links: boughtLinks({ download, assets, settings: { maxImageBytes: 2_000_000 } } as never) }
}

test('the links of a purchase are fetched once, whole, and become images; one that cannot be fetched stays a link', async () => {
  const { counted, links } = world()
  const measured = await links.measure([link('https://a.example/1'), link('https://a.example/gone'), link('https://a.example/1')])
  expect(counted.pieces).toBeLessThan(10)
  const kept = { kind: 'stored', sha256: 'a', format: 'png', bytes: 1_048_576, pixels: size, url: 'https://a.example/1' }
  expect(await links.keep(measured)).toEqual([kept, link('https://a.example/gone'), kept])
  expect(counted.asked).toEqual(['https://a.example/1', 'https://a.example/gone'])
})

test('the links of a request that is refused are closed after their first bytes', async () => {
  const { counted, links } = world()
  await links.measure([link('https://a.example/1')])
  links.close()
  await expect.poll(() => counted.open).toBe(0)
  expect(counted.pieces).toBeLessThan(10)
})
