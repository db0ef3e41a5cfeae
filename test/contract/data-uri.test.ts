import { describe, expect, test } from 'vitest'
import { readDataUri } from '#contract'

const BYTES = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0xfb, 0xff, 0xfe, 13, 73, 72, 68, 82, 0xff])
const BASE64 = BYTES.toString('base64')
const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70, 73, 70, 0, 1]).toString('base64')
const PLAIN = `data:image/png;base64,${BASE64}`
const escapes = [...BYTES].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')

describe('a data: URI of an image', () => {
  test.each([
    ['plain', PLAIN],
    ['in upper case', `DATA:IMAGE/PNG;BASE64,${BASE64}`],
    ['with parameters', `data:image/png;name=cat.png;charset=utf-8;base64,${BASE64}`],
    ['wrapped', `data:image/png;base64,\r\n${BASE64.slice(0, 8)}\n ${BASE64.slice(8)}\r\n`],
    ['in the URL-safe alphabet, without padding', `data:image/png;base64,${BYTES.toString('base64url')}`],
    ['in base64 that is percent-encoded', `data:image/png;base64,${encodeURIComponent(BASE64)}`],
    ['percent-encoded without base64', `data:image/png,${escapes}`],
    ['labelled image/jpg', `data:image/jpg;base64,${BASE64}`],
    ['labelled image/x-unknown', `data:image/x-unknown;base64,${BASE64}`],
    ['with a fragment', `${PLAIN}#top`],
  ])('%s is the same image', (_how, uri) => {
    expect(readDataUri(uri)).toEqual({ kind: 'image', uri: PLAIN })
  })

  test('its bytes decide what it is, whatever its label says', () => {
    expect(readDataUri(`data:image/png;base64,${JPEG}`)).toEqual({ kind: 'image', uri: `data:image/jpeg;base64,${JPEG}` })
  })

  test.each([
    ['data:image/png;base64', 'without a comma'],
    [`data:text/plain;base64,${BASE64}`, 'labelled "text/plain"'],
    [`data:;base64,${BASE64}`, 'labelled ""'],
    ['data:image/png;base64,', 'holds no data'],
    [`data:image/png;base64,${BASE64}!`, 'is not base64: it holds "!"'],
    [`data:image/png;base64,${BASE64.replaceAll('=', '')}AA`, 'is not whole base64'],
    ['data:image/png;base64,iVBORw', 'too short'],
    [`data:image/png;base64,${Buffer.from('GIF89a and so on').toString('base64')}`, 'holds a GIF'],
    [`data:image/png;base64,${Buffer.from('<!doctype html><p>').toString('base64')}`, 'holds an HTML page'],
    ['data:image/png,%zz', 'begins no percent-encoding'],
    ['data:image/png,ж', 'not percent-encoded'],
    ['data:image/png,\uFEFF%41', 'not percent-encoded'],
  ])('%s is refused, and the reason says how it is wrong', (uri, reason) => {
    expect(readDataUri(uri)).toEqual({ kind: 'refused', reason: expect.stringContaining(reason) })
  })
})
