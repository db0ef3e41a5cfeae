import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readDataUri, readDataUriOfAnyLabel } from '#contract'
import { BoundedJsonReader } from '../../src/reading/bounded-json.ts'
import type { BoundedJson, JsonBounds, JsonPath } from '../../src/reading/bounded-json.ts'
import { StringStops } from '../../src/reading/string-stops.ts'
import { heldBytes, heldIn, release, withoutNumber } from '../../src/reading/held-bytes.ts'
import { inlineBytes } from '../../src/reading/inline-bytes.ts'

const BOUNDS: JsonBounds = { maxBytes: 1_048_576, maxDepth: 32, maxValues: 1_000, maxSiblings: 500, longTexts: 'cut' }

function readJson(text: string | Buffer, pieceBytes = 65_536, bounds: Partial<JsonBounds> = {}): BoundedJson {
  const reader = new BoundedJsonReader({ ...BOUNDS, ...bounds })
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += pieceBytes) reader.write(bytes.subarray(at, at + pieceBytes))
  return reader.end()
}

function valueOf(read: BoundedJson): unknown {
  if (read.kind === 'refused') throw new Error(read.reason)
  return JSON.parse(read.bytes.toString())
}

/** A PNG by its first bytes; what follows is nothing that compresses or repeats. */
const PNG = Buffer.concat([
  Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
  ...Array.from({ length: 5_000 }, (_, index) => createHash('sha256').update(`${index}`).digest()),
])
const BASE64 = PNG.toString('base64')

const SPELLINGS = {
  plain: BASE64,
  'PHP’s': BASE64.replaceAll('/', '\\/'),
  '.NET’s': BASE64.replaceAll('+', '\\u002B'),
  'the URL-safe': BASE64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, ''),
  wrapped: BASE64.replaceAll(/.{76}/g, '$&\\r\\n'),
  'percent-encoded': BASE64.replaceAll('+', '%2B').replaceAll('/', '%2f').replaceAll('=', '%3D'),
  'with a fragment': `${BASE64}#here`,
}

describe('an image in a long data: URI', () => {
  test.each(Object.entries(SPELLINGS))('in %s spelling leaves its bytes, however it is cut', (_name, payload) => {
    for (const pieceBytes of [977, 65_536, 1_000_000]) {
      const read = readJson(`{"a":["data:image/jpg;base64,${payload}"],"n":1}`, pieceBytes)
      const value = valueOf(read) as { a: [string]; n: number }
      expect(value.n).toBe(1)
      expect(value.a[0].length).toBeLessThan(200)
      const uri = readDataUri(value.a[0])
      expect(uri).toMatchObject({ kind: 'image', uri: expect.stringMatching(/^data:image\/png;base64,iVBORw0KGgp/) })
      const held = uri.kind === 'image' ? heldIn(uri.uri) : null
      expect(Buffer.concat(held?.chunks ?? []).equals(PNG)).toBe(true)
      expect(held?.sha256).toBe(createHash('sha256').update(PNG).digest('hex'))
    }
  })

  test.each([
    ['a character that is no base64', `${BASE64}*A`, '"*"'],
    ['data after its padding', `${BASE64}==QUJD`, '='],
    ['a part that is missing', BASE64.replace(/=+$/, '').slice(0, 120_001), 'not whole base64'],
    ['a quotation mark', `${BASE64}\\"AAAA`, '\\"'],
  ])('with %s is refused in words', (_what, payload, words) => {
    const [text = ''] = valueOf(readJson(`["data:image/png;base64,${payload}"]`)) as string[]
    expect(text.length).toBeLessThan(200)
    expect(readDataUri(text)).toMatchObject({ kind: 'refused', reason: expect.stringContaining(words) })
  })

  test('is taken out from a length on that does not depend on the pieces it comes in', () => {
    for (const chars of [65_500, 65_513, 65_514, 65_515, 65_516, 70_000, 131_000]) {
      const text = `["data:image/png;base64,${BASE64.slice(0, chars - (chars % 4))}"]`
      const lengths = [1_000, 1_001, 65_536, 1_000_000].map((pieceBytes) => readJson(text, pieceBytes).bytes.length)
      expect(new Set(lengths).size).toBe(1)
    }
  })

  test('is held until it is released, and then is not there', () => {
    const before = heldBytes()
    const [text = ''] = valueOf(readJson(`["data:image/png;base64,${BASE64}"]`)) as string[]
    expect(heldBytes()).toBe(before + PNG.length)
    release(text)
    release(text)
    expect(heldBytes()).toBe(before)
    expect(inlineBytes(text)).toBeNull()
  })

  test('that nobody sent is not found by who knows its hash', () => {
    const [text = ''] = valueOf(readJson(`["data:image/png;base64,${BASE64}"]`)) as string[]
    const forged = text.replace(/[0-9a-f]{32}(?=[0-9a-f]{64}$)/, '0'.repeat(32))
    expect(forged).not.toBe(text)
    expect(heldIn(forged)).toBeNull()
  })

  test('is the same text each time but for its number, and one image where it comes twice', () => {
    const uri = `"data:image/png;base64,${BASE64}"`
    const [first = '', second = ''] = valueOf(readJson(`[${uri},${uri}]`)) as string[]
    const [again = ''] = valueOf(readJson(`[${uri}]`)) as string[]
    expect(second).toBe(first)
    expect(again).not.toBe(first)
    expect(withoutNumber(again)).toBe(withoutNumber(first))
  })
})

test('bare base64 of an image is still base64 of that image behind any label', () => {
  const { image } = valueOf(readJson(`{"image":"${BASE64}"}`)) as { image: string }
  const uri = readDataUriOfAnyLabel(`data:application/octet-stream;base64,${image}`)
  expect(uri.kind === 'image' && Buffer.concat(heldIn(uri.uri)?.chunks ?? []).equals(PNG)).toBe(true)
})

test('a text far longer than any field takes is shorter, and still longer than any field takes', () => {
  const read = readJson(JSON.stringify({ prompt: 'A "fox" 🦊. '.repeat(1_000_000), n: 1 }), 65_536, { maxBytes: 4_000_000 })
  const value = valueOf(read) as { prompt: string; n: number }
  expect(value.n).toBe(1)
  expect(value.prompt.length).toBe(131_072)
})

test.each([
  ['prose', 'Prose, and 🦊s; it is not an image. '.repeat(5_000)],
  ['one letter', 'x'.repeat(200_000)],
  ['base64 of something else', Buffer.from('no image '.repeat(20_000)).toString('base64')],
  ['a data: URI of something else', `data:text/plain;base64,${Buffer.from('no image '.repeat(20_000)).toString('base64')}`],
])('a long text of %s stays as it is', (_what, text) => {
  expect(valueOf(readJson(JSON.stringify({ text })))).toEqual({ text })
})

/** A real beginning of a PNG: signature, header, and nothing else of one. */
const HEADED_PNG = Buffer.concat([PNG.subarray(0, 8), Buffer.from('0000000d4948445200000400000004000802000000', 'hex'), PNG.subarray(8)])

describe('the body of a caller:', () => {
  /** How many bytes were read until it was refused, and why. */
  function refusalOf(body: unknown): { readonly reason: string; readonly path: JsonPath | null; readonly after: number } | null {
    const reader = new BoundedJsonReader({ ...BOUNDS, longTexts: 'refused' })
    const bytes = Buffer.from(JSON.stringify(body))
    let at = 0
    for (; at < bytes.length && reader.isWanted; at += 16_384) reader.write(bytes.subarray(at, at + 16_384))
    const read = reader.end()
    return read.kind === 'refused' ? { reason: read.reason, path: read.path, after: at } : null
  }
  const inBase64 = (bytes: Buffer): string => bytes.toString('base64')

  test.each([
    ['a text of one letter', { a: 1, prompt: 'a'.repeat(4e6) }, ['prompt'], 'longer than any field', 65_536],
    ['prose', { metadata: { 'a "b"': '1', '🦊': 'a "fox" '.repeat(5e5) } }, ['metadata', '🦊'], 'longer than any field', 384_000],
    ['bare base64 of nothing', [1, { input: inBase64(Buffer.alloc(3e6)) }], [1, 'input'], 'longer than any field', 65_536],
    [
      'a data: URI of nothing',
      { images: ['a', `data:image/png;base64,${inBase64(Buffer.alloc(3e6))}`] },
      ['images', 1],
      'no JPEG, PNG or WebP image',
      65_536,
    ],
    [
      'a data: URI with the signature of a PNG alone',
      { a: { b: { c: 1 } }, mask: `data:image/png;base64,${inBase64(Buffer.concat([PNG.subarray(0, 8), Buffer.alloc(3e6, 7)]))}` },
      ['mask'],
      'no JPEG, PNG or WebP image',
      65_536,
    ],
    ['a name', { a: { ['n'.repeat(4e6)]: 1 } }, ['a', `${'n'.repeat(200)}…`], 'longer than any field', 65_536],
  ])('%s is refused where it is met, under its own name', (_what, body, path, words, bytes) => {
    const refused = refusalOf(body)
    expect(refused).toMatchObject({ path, reason: expect.stringContaining(words) })
    expect(refused?.after).toBeLessThanOrEqual(bytes + 2 * 16_384)
  })

  test('a text as long as a field may be, in its longest spelling, is read', () => {
    const reader = new BoundedJsonReader({ ...BOUNDS, longTexts: 'refused' })
    reader.write(Buffer.from(`{"a":"${'\\ud83e\\udd8a'.repeat(32_000)}","b":"${'\\u002b'.repeat(32_000)}","c":"${'🦊'.repeat(32_000)}"}`))
    expect(Object.values(valueOf(reader.end()) as object).map((text: string) => Array.from(text).length)).toEqual([32_000, 32_000, 32_000])
  })

  test('an image is taken out of it', () => {
    expect(refusalOf({ image: inBase64(HEADED_PNG), uri: `data:image/png;base64,${inBase64(HEADED_PNG)}` })).toBeNull()
  })
})

test('quotes and backslashes in strings are found wherever they are', () => {
  const letters = fc.constantFrom('a', '"', '\\', 'b'.repeat(70), 'c'.repeat(200))
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 30 }), fc.nat(100), fc.nat(2_000), (parts, from, length) => {
      const chunk = Buffer.from(parts.join(''))
      const to = Math.min(chunk.length, from + length)
      const stops = new StringStops()
      stops.begin()
      const found: number[] = []
      for (let at = stops.next(chunk, from, to); at < to; at = stops.next(chunk, at + 1, to)) found.push(at)
      expect(found).toEqual([...chunk.keys()].filter((at) => at >= from && at < to && (chunk[at] === 0x22 || chunk[at] === 0x5c)))
    }),
    { numRuns: 500 },
  )
})

test('JSON without images comes out as it went in, however it is cut', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6, stringUnit: 'binary' }), fc.integer({ min: 1, max: 50 }), (text, pieceBytes) => {
      expect(valueOf(readJson(text, pieceBytes))).toEqual(JSON.parse(text))
    }),
    { numRuns: 200 },
  )
})

test('the reader never throws, whatever comes, and keeps no more than its bounds', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.integer({ min: 1, max: 50 }), (bytes, pieceBytes) => {
      const read = readJson(Buffer.from(bytes), pieceBytes, { maxBytes: 1_000 })
      expect(read.bytes.length).toBeLessThanOrEqual(1_000)
    }),
    { numRuns: 500 },
  )
})

describe('JSON is refused where it', () => {
  test.each([
    ['is nested deeply', '['.repeat(33), 'nested deeper than 32 levels'],
    ['has a long list', JSON.stringify(Array.from({ length: 501 }, () => 1)), 'more than 500 entries'],
    ['has many values', JSON.stringify(Array.from({ length: 40 }, () => Array.from({ length: 40 }, () => 1))), 'more than 1000 values'],
    ['has many long texts', JSON.stringify(Array.from({ length: 9 }, () => 'Prose. '.repeat(20_000))), 'more than 1048576 bytes besides'],
    ['is white space', ' '.repeat(1_048_577), 'more than 1048576 bytes besides'],
  ])('%s', (_what, text, words) => {
    expect(readJson(text)).toMatchObject({ kind: 'refused', reason: expect.stringContaining(words) })
  })

  test('is within its bounds but for one', () => {
    expect(readJson('['.repeat(32) + ']'.repeat(32)).kind).toBe('text')
    expect(readJson(JSON.stringify(Array.from({ length: 500 }, () => 1))).kind).toBe('text')
  })
})
