import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** A repetition that the end must follow, and no beginning before it: it begins anew at each character of a run. */
const SQUARE = /(?<!\\)\/(?!\^)(?:[^/\n\\[]|\\.|\[(?:[^\]\\]|\\.)*\])*?(?:\\.|\[(?:[^\]\\]|\\.)*\]|[^/\n\\[.)])[+*]\$\/[a-z]*(?=[.,)\s])/g
/** A search backwards (lookbehind) over more than one character: over a run, it is read anew at each character behind it. */
const LOOKBEHIND = /\(\?<[=!](?!\.\)|\\.\))/g
const WRITTEN_BY_OTHERS = 'src/{contract,reading,transport,core,http,adapter-kit,store,config,cli,gateway}/**/*.ts'

test.each([
  [".replace(/=+$/, '')", 1],
  [".replace(/[.0]*$/, '')", 1],
  ['/^0+$/.test(text)', 0],
  [".replace(/[?#].*$/s, '')", 0],
])('the rule for ends finds in %s what there is', (text, found) => {
  expect([...text.matchAll(SQUARE)]).toHaveLength(found)
})

test.each([
  [String.raw`/(?<=:[/\\][^\s]*)[@?#]/`, 1],
  [String.raw`/(?<=(?:key)["']?\s*)=/`, 1],
  [String.raw`/(?<=.)\/$/`, 0],
])('the rule for searches backwards finds in %s what there is', (text, found) => {
  expect([...text.matchAll(LOOKBEHIND)]).toHaveLength(found)
})

test('nothing that others write meets a regular expression that takes the square of its length to find an end', () => {
  const files = globSync([WRITTEN_BY_OTHERS, 'providers/*/*.ts'])
  expect(files.length).toBeGreaterThan(300)
  const found = (kind: RegExp) =>
    files.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(kind)].map(([text]) => `${file}: ${text}`))
  expect(found(SQUARE), 'use withoutTrailing').toEqual([])
  expect(found(LOOKBEHIND), 'search forwards').toEqual([])
})
