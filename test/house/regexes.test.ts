import { globSync } from 'node:fs'
import { expect, test } from 'vitest'
import { syntaxOf, whereIs } from '../support/source-tree.ts'

/** All that runs in a gateway or on the command line; the pages of `src/web` keep nobody waiting but their reader. */
const RUN_HERE = ['src/!(web)/**/*.ts', 'src/*.ts', 'providers/*/*.ts']

/** A search backwards (lookbehind) over more than one character: over a run, it is read anew at each character behind it. */
const LOOKBEHIND = /\(\?<[=!](?!\.\)|\\.\))/

/** Where its time grows with the square of a run, so many characters take 200 milliseconds and more; where it grows with their number, at most 15. */
const RUN = 20_000
const MOST_MS = 80
/** A run as short as this takes 8 milliseconds and more there. What takes less is not tried on the long one. */
const SHORT_RUN = 4_000
const MOST_OF_SHORT_MS = 4
const TRIES = 3
const OF_ANY_TEXT = ' \t\n\r\u3000aAzZ09-.:/=%\\"\'<&#?@_,;{[(+é\u0000'

/** What a pattern may be slow for: what it names itself, and what `\s`, `\w`, `.` and the like stand for. */
const charactersFor = (pattern: string): readonly string[] => [...new Set((OF_ANY_TEXT + pattern).split(''))]

/** It ends with what nothing names. */
const runOf = (character: string, length: number): string => `${character.repeat(length)}\u0001`

function msToReplace(pattern: RegExp, text: string): number {
  const begins = performance.now()
  text.replace(pattern, '')
  return performance.now() - begins
}

/** The first characters of the run for which it takes the square of its length, as where a repetition that may begin at each of them has an end that fails. */
function slowRun(pattern: string, flags: string): string | null {
  const regex = new RegExp(pattern, flags)
  const takesLonger = (text: string, ms: number): boolean =>
    Array.from({ length: TRIES }).every(() => {
      regex.lastIndex = 0
      return msToReplace(regex, text) > ms
    })
  const isSlow = (character: string): boolean =>
    takesLonger(runOf(character, SHORT_RUN), MOST_OF_SHORT_MS) && takesLonger(runOf(character, RUN), MOST_MS)
  return charactersFor(pattern).find(isSlow)?.repeat(3) ?? null
}

/** Searched in what is never long, whoever writes it. */
const BOUNDED: Readonly<Record<string, string>> = {
  'src/client/connection.ts': String.raw`/\/+$/ of the address that whoever runs the program gives it`,
}

test.each([
  [String.raw`\s*USD$`, 'i', '   '],
  [String.raw`\s+$`, '', '   '],
  [String.raw`\s*[\r\n]\s*`, 'g', '   '],
  ['=+$', '', '==='],
  ['[.0]*$', '', '000'],
  ['[a-z]+_[a-z]+', 'g', 'aaa'],
  ['<[^>]*>', 'g', '<<<'],
])('the judge of regular expressions finds /%s/%s slow', (pattern, flags, run) => {
  expect(slowRun(pattern, flags)).toBe(run)
})

test.each([
  ['^0+$', ''],
  ['[?#].*$', 's'],
  [String.raw`\s+`, 'g'],
  [String.raw`^(-?)\s*(?:US)?\$\s*`, 'i'],
  ['[a-z]{1,20}_[a-z]{1,20}', 'g'],
])('the judge of regular expressions lets /%s/%s pass', (pattern, flags) => {
  expect(slowRun(pattern, flags)).toBeNull()
})

test.each([
  [String.raw`(?<=:[/\\][^\s]*)[@?#]`, true],
  [String.raw`(?<=(?:key)["']?\s*)=`, true],
  [String.raw`(?<=.)\/$`, false],
])('the rule for searches backwards finds in %s what there is', (pattern, isFound) => {
  expect(LOOKBEHIND.test(pattern)).toBe(isFound)
})

test('nothing that others write meets a regular expression that takes the square of its length', { timeout: 120_000 }, () => {
  const files = globSync(RUN_HERE)
  expect(files.length).toBeGreaterThan(600)
  const patterns = files
    .filter((file) => BOUNDED[file] === undefined)
    .flatMap((file) =>
      [...syntaxOf(file)].flatMap(({ node }) => {
        const regex = node['regex'] as { readonly pattern: string; readonly flags: string } | undefined
        return regex === undefined ? [] : [{ ...regex, where: whereIs(file, node) }]
      }),
    )
  expect(patterns.length).toBeGreaterThan(300)
  const found = patterns.flatMap(({ pattern, flags, where }) => {
    const run = slowRun(pattern, flags)
    return run === null ? [] : [`${where}: /${pattern}/${flags} on a run of ${JSON.stringify(run)}`]
  })
  expect(found, 'use withoutTrailing, begin with ^, bound the repetition, or name it in BOUNDED').toEqual([])
  expect(
    patterns.filter(({ pattern }) => LOOKBEHIND.test(pattern)),
    'search forwards',
  ).toEqual([])
})
