import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ReferenceImage } from '#contract'
import { readReferenceText } from '../../../src/http/compatible/reference-text.ts'

const bytes = {
  'image/png': Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]),
  'image/jpeg': Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70, 73, 70, 0, 1]),
  'image/webp': Buffer.from('RIFF\x04\x00\x00\x00WEBP', 'latin1'),
}

describe('a reference as clients write it', () => {
  test.each(Object.entries(bytes))('%s is known by its bytes, whatever the text around them says', (mediaType, head) => {
    const payload = head.toString('base64')
    const reference = `data:${mediaType};base64,${payload}`
    for (const text of [
      payload,
      reference,
      `data:image/jpg;base64,${payload}`,
      `data:;base64,${payload.slice(0, 8)}\n${payload.slice(8)}\n`,
    ]) {
      expect(readReferenceText(text)).toEqual({ kind: 'reference', reference })
    }
  })

  test('a URL stays as it is', () => {
    expect(readReferenceText('https://example.com/a.png?sig=a%2Fb#x')).toMatchObject({ reference: 'https://example.com/a.png?sig=a%2Fb#x' })
  })

  test.each([
    '',
    'a path/to.png',
    'ftp://example.com/a.png',
    'http://',
    'https://example.com/ a',
    'R0lGODlhAQABAIAAAAAAAP',
    'data:image/png;base64,',
  ])('%j is refused with the reason', (text) => {
    expect(readReferenceText(text)).toEqual({ kind: 'refused', reason: expect.any(String) })
  })

  test('whatever is taken is a reference that a request takes', () => {
    const text = fc.oneof(
      fc.string(),
      fc.webUrl(),
      fc.base64String(),
      fc
        .constantFrom(...Object.values(bytes))
        .chain((head) => fc.uint8Array().map((more) => Buffer.concat([head, more]).toString('base64'))),
    )
    fc.assert(
      fc.property(text, (any) => {
        const read = readReferenceText(any)
        if (read.kind === 'reference') ReferenceImage.parse(read.reference)
      }),
    )
  })
})
