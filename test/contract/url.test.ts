import { expect, test } from 'vitest'
import { parseUrl } from '#contract'

const letters = (count: number): string =>
  Array.from({ length: count }, (_, at) => String.fromCodePoint(0x4e00 + ((at * 7_919) % 20_000))).join('')

test('a URL is what a parser makes of it, with a base or without', () => {
  for (const text of [
    'https://a.example/x?y#z',
    ' HTTP:\\\\a.example',
    'https:a.example',
    'mailto:x',
    'nothing',
    'https://user:p@a.example:8/',
    `https://a.example/${'x'.repeat(2_000)}`,
  ])
    expect(parseUrl(text)?.href).toBe(URL.parse(text)?.href)
  expect(parseUrl(`x${'/'.repeat(2)}${'y'.repeat(1_000)}`, 'https://a.example/b/')?.href).toBe(
    `https://a.example/b/x//${'y'.repeat(1_000)}`,
  )
  expect(parseUrl(`https://${'u'.repeat(1_000)}@a.example:80/`)?.hostname).toBe('a.example')
})

test('a host that is longer than a name can be is none, in every spelling, and takes no time', () => {
  const host = letters(60_000)
  const began = performance.now()
  for (const text of [
    `https://${host}/`,
    `https:${host}`,
    ` h\nttps:\\\\${host}:443?x`,
    `https://u:p@${host}`,
    `//${host}/x`,
    `wss:/${host}#`,
  ])
    expect([text.slice(0, 12), parseUrl(text, 'https://a.example/')]).toEqual([text.slice(0, 12), null])
  // A parser takes seconds for one of them.
  expect(performance.now() - began).toBeLessThan(500)
})
