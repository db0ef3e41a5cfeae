import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { MOST_SHOWN_BYTES, shownText } from '../../../src/core/calls/shown-text.ts'
import { hold } from '../../../src/reading/held-bytes.ts'

const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(600, 7)])
const sha256 = createHash('sha256').update(PNG).digest('hex')

test('a body is shown as the JSON that was sent, to the last digit', () => {
  const body = { prompt: 'a "fox"\n', seed: { $digits: '9007199254740993127' }, n: 1, ok: true, none: null, list: [1, 'two', {}] }
  expect(shownText(body)).toEqual({
    text: '{"prompt":"a \\"fox\\"\\n","seed":9007199254740993127,"n":1,"ok":true,"none":null,"list":[1,"two",{}]}',
    isCut: false,
  })
  expect(shownText('<h1>busy</h1>').text).toBe('<h1>busy</h1>')
  expect([shownText(undefined), shownText(null)]).toEqual([
    { text: null, isCut: false },
    { text: null, isCut: false },
  ])
})

test('a body loses secrets by their field, by their form and by what they are', () => {
  const { text } = shownText(
    {
      webhook_secret: 'abc',
      webhookSecret: 'def',
      apiKey: 'ghi',
      'x-key': 'jkl',
      accessToken: 'mno',
      max_tokens: 5,
      url: 'https://user:pass@cdn.example/a.png?sig=pqr#stu',
      note: 'Bearer vwxyz12345',
      callback: 'https://gate.example/v1/hooks/x/1.2.zzz',
    },
    { secrets: ['https://gate.example/v1/hooks/x/1.2.zzz'] },
  )
  expect(JSON.parse(text ?? '')).toEqual({
    webhook_secret: '…',
    webhookSecret: '…',
    apiKey: '…',
    'x-key': '…',
    accessToken: '…',
    max_tokens: 5,
    url: 'https://cdn.example/a.png',
    note: 'Bearer …',
    callback: '…',
  })
})

test('an inline image is shown as its hash, whether it is held, a data: URI or bare, and known by its length or not', () => {
  const base64 = PNG.toString('base64')
  const held = hold(base64, { chunks: [PNG], bytes: PNG.length, sha256 })
  const image = `[image, sha256 ${sha256}]`
  const shown = shownText({ held, uri: `data:image/png;base64,${held}`, bare: base64, data: `data:image/png;base64,${base64}` })
  expect(JSON.parse(shown.text ?? '')).toEqual({ held: image, uri: image, bare: image, data: image })
  const known = shownText([base64, base64], { images: [{ bytes: PNG.length, sha256: 'known' }] })
  expect(JSON.parse(known.text ?? '')).toEqual(['[image, sha256 known]', image])
  expect(shownText(['A'.repeat(2_000)]).text).toContain('AAAA')
})

test('a body is cut after 16 kB of UTF-8, never within a character, however large or deep it is', () => {
  const long = shownText({ text: '€'.repeat(20_000), more: 'x' })
  expect([Buffer.byteLength(long.text ?? '') <= MOST_SHOWN_BYTES, long.isCut, long.text?.endsWith('€')]).toEqual([true, true, true])
  const many = shownText(Array.from({ length: 100_000 }, (_, index) => index))
  expect([many.text?.length, many.isCut]).toEqual([MOST_SHOWN_BYTES, true])
  let deep: unknown[] = []
  for (let depth = 0; depth < 5_000; depth++) deep = [deep]
  expect(shownText(deep as never).text).toContain('…')
})
