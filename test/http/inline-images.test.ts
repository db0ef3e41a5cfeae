import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import fastify from 'fastify'
import { expect, test } from 'vitest'
import type { OutputFormat } from '#contract'
import { createInlineImages } from '../../src/http/inline-images.ts'

const stored = new Map([1, 65_535, 65_536, 65_537, 200_000, 3_000_001].map((bytes) => [`sha-${bytes}`, randomBytes(bytes)]))
/** Bytes that are read from the disk and not yet sent. */
let opened = 0

const assets = {
  async open(sha256: string, _format: OutputFormat, range?: { readonly start: number; readonly end: number }): Promise<Readable | null> {
    const bytes = stored.get(sha256)
    if (bytes === undefined) return Promise.resolve(null)
    opened += 1
    const wanted = range === undefined ? bytes : bytes.subarray(range.start, range.end + 1)
    const pieces = Array.from({ length: Math.ceil(wanted.length / 65_536) }, (_, index) =>
      wanted.subarray(index * 65_536, (index + 1) * 65_536),
    )
    return Promise.resolve(Readable.from(pieces, { objectMode: false }))
  },
  read: (sha256: string): Promise<Buffer | null> => Promise.resolve(stored.get(sha256) ?? null),
}

async function answerWith(images: readonly { readonly sha256: string | null; readonly bytes: number | null }[], text = '') {
  const app = fastify()
  app.get('/', async (_request, reply) => {
    const inline = createInlineImages(assets)
    const data = await Promise.all(images.map((image) => inline.inBase64({ ...image, format: 'png' })))
    return inline.send(reply, { text, data, after: 'ü' })
  })
  return app.inject('/')
}

test('images stand in an answer as their base64, whatever their length, and its own length is known', async () => {
  const images = [...stored].map(([sha256, { length }]) => ({ sha256, bytes: length }))
  const answer = await answerWith(images, 'image-in-base64-00000000-0000-0000-0000-000000000000')
  expect(answer.headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'content-length': answer.rawPayload.length.toString(),
  })
  expect(answer.json()).toEqual({
    text: 'image-in-base64-00000000-0000-0000-0000-000000000000',
    data: [...stored.values()].map((bytes) => bytes.toString('base64')),
    after: 'ü',
  })
})

test('an image that is not here, or of which nobody knows the length, is answered all the same', async () => {
  const data = [
    { sha256: null, bytes: null },
    { sha256: 'sha-gone', bytes: 100_000 },
    { sha256: 'sha-200000', bytes: null },
  ]
  expect((await answerWith(data)).json()).toMatchObject({ data: [null, null, stored.get('sha-200000')?.toString('base64')] })
})

test('an answer breaks off where an image is not as long as it was', async () => {
  await expect(answerWith([{ sha256: 'sha-3000001', bytes: 3_000_000 }])).rejects.toThrow()
  expect(opened).toBeGreaterThan(0)
})
