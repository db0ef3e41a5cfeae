import { createHash } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Json } from '#contract'
import { heldBytes, heldIn, lend, release } from '../../src/reading/held-bytes.ts'
import { formBody } from '../../src/transport/form.ts'
import { jsonBody } from '../../src/transport/json-body.ts'

function lent(bytes: Buffer): string {
  const text = lend(bytes, createHash('sha256').update(bytes).digest('hex'))
  onTestFinished(() => release(text))
  return text
}

async function sent(body: Json): Promise<{ readonly bytes: number; readonly text: string }> {
  const made = jsonBody(body)
  if (typeof made === 'string') return { bytes: Buffer.byteLength(made), text: made }
  const pieces: Buffer[] = []
  for await (const piece of made.stream) pieces.push(piece)
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(512 * 1_024)
  return { bytes: made.bytes, text: Buffer.concat(pieces).toString() }
}

/** One byte more than whole groups, two more, and none; each in more than one piece. */
const IMAGES = [300_001, 300_002, 786_432].map((bytes, index) => Buffer.alloc(bytes, `an image of ${index}`))

describe('a call with large references', () => {
  test('is the JSON that it would be with their base64, whatever their length, in pieces', async () => {
    const body = (give: (image: Buffer) => string): Json => ({
      prompt: 'a „fox“',
      input: IMAGES.map((image) => `data:image/png;base64,${give(image)}`),
      bare: give(IMAGES[0] ?? Buffer.alloc(0)),
      seed: { $digits: '9007199254740993' },
    })
    const whole = jsonBody(body((image) => image.toString('base64')))
    const { bytes, text } = await sent(body(lent))
    expect(text === whole).toBe(true)
    expect(bytes).toBe(Buffer.byteLength(text))
  })

  test('as files of a form is what it would be with their base64, but for the boundary', async () => {
    const form = async (give: (image: Buffer) => string) => {
      const parts = IMAGES.map((image) => ({ name: 'image[]', filename: 'a.png', mediaType: 'image/png', base64: give(image) }))
      const { bytes, contentType, stream } = formBody(parts)
      const pieces: Buffer[] = []
      for await (const piece of stream) pieces.push(piece)
      const boundary = contentType.split('boundary=')[1] ?? ''
      return { bytes, text: Buffer.concat(pieces).toString('latin1').replaceAll(boundary, '<boundary>') }
    }
    const [plain, held] = [await form((image) => image.toString('base64')), await form(lent)]
    expect(held.text === plain.text).toBe(true)
    expect(held.bytes).toBe(plain.bytes)
  })

  test('is one text where they are small', async () => {
    const { text } = await sent({ image: lent(Buffer.from('small')) })
    expect(text).toBe(JSON.stringify({ image: Buffer.from('small').toString('base64') }))
  })
})

test('An image that is lent is not counted among those of callers, and is there until it is released', () => {
  const before = heldBytes()
  const image = lend(Buffer.alloc(100_000), 'a'.repeat(64))
  expect([heldBytes(), heldIn(image)?.bytes]).toEqual([before, 100_000])
  release(image)
  expect([heldBytes(), heldIn(image)]).toEqual([before, null])
})

test('A text that only seems to stand for an image is sent as it is', async () => {
  const prompt = `${'a'.repeat(16)}imagegateHolds++${'0'.repeat(96)} imagegateHolds++`
  expect((await sent({ prompt })).text).toBe(JSON.stringify({ prompt }))
})
