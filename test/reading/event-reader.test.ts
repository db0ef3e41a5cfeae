import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonBounds } from '../../src/reading/bounded-json.ts'
import { EventReader } from '../../src/reading/event-reader.ts'
import { heldIn, release } from '../../src/reading/held-bytes.ts'

const BOUNDS: JsonBounds = { maxBytes: 2_000, maxDepth: 8, maxValues: 60, maxSiblings: 5, longTexts: 'cut' }

/** Every event as name and data, and why it was read no further. */
function read(text: string, cuts: readonly number[] = [], bounds: JsonBounds = BOUNDS) {
  const events: string[][] = []
  const reader = new EventReader(bounds, ({ name, data }) => events.push([name, data.bytes.toString()]))
  const bytes = Buffer.from(text)
  const starts = [0, ...[...cuts].map((cut) => cut % (bytes.length + 1)).toSorted((one, other) => one - other), bytes.length]
  for (const [index, from] of starts.entries()) reader.write(bytes.subarray(from, starts[index + 1] ?? bytes.length))
  reader.end()
  return { events, refusal: reader.refusal }
}

const ALL = [
  '\uFEFFevent: one\ndata: {"a":"\u00E9\u{1F600}"}\n\n',
  ': a comment\r\n\r\nevent:two\r\nid: 7\r\ndata:[1,\r\ndata: 2]\r\n\r\n',
  'retry: 10\rdata: {"no":"name"}\r\rdata\r\revent: without data\r\r',
  'unknown-field-of-many-characters: x\nevent: a\nevent: last\ndata: [DONE]',
].join('')
const EVENTS = [
  ['one', '{"a":"\u00E9\u{1F600}"}'],
  ['two', '[1,\n2]'],
  ['', '{"no":"name"}'],
  ['', ''],
  ['last', '[DONE]'],
]

describe('the events of a reply', () => {
  test('are read in every spelling that the standard has, the last also without its empty line', () => {
    expect(read(ALL)).toEqual({ events: EVENTS, refusal: null })
  })

  test('are the same however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000), { maxLength: 30 }), (cuts) => {
        expect(read(ALL, cuts).events).toEqual(EVENTS)
      }),
    )
    expect(read(ALL, Array.from(Buffer.from(ALL).keys())).events).toEqual(EVENTS)
  })

  test('are together no more than one reply may be', () => {
    const event = (data: string) => `data: ${data}\n\n`
    const many = read(event('1').repeat(6))
    expect(many.events).toHaveLength(5)
    expect(many.refusal).toMatch(/more than 5 events/)
    const long = read(event(`"${'x'.repeat(900)}"`).repeat(3))
    expect(long.events).toHaveLength(2)
    expect(long.refusal).toMatch(/bytes besides/)
    const values = read(event(JSON.stringify([1, 2, 3, 4])).repeat(4), [], { ...BOUNDS, maxValues: 10 })
    expect(values.events).toHaveLength(2)
    expect(values.refusal).toMatch(/more than .* values/)
  })

  test('give up the bytes of their images as they come', () => {
    const image = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(200_000, 7)])
    const { events, refusal } = read(`event: x\ndata: {"b64_json":"${image.toString('base64')}"}\n\n`, [70_000, 140_000, 200_001], {
      ...BOUNDS,
      maxBytes: 100_000,
    })
    const { b64_json: standIn } = JSON.parse(events[0]?.[1] ?? '') as { b64_json: string }
    expect(refusal).toBeNull()
    expect(Buffer.concat(heldIn(standIn)?.chunks ?? [])).toEqual(image)
    release(standIn)
  })
})
