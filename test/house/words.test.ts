import { describe, expect, test } from 'vitest'
import { filesBelow, readText } from '../support/source-tree.ts'
import { currentCounts, bannedTexts, headlessNames, type Counts } from './counts.ts'
import { beginsWithAThing } from './titles.ts'
import { BANNED_WORDS, countWords, hasBannedWord } from './words.ts'

const maxima = JSON.parse(readText('test/house/maxima.json')) as Counts

const instead = (line: string) =>
  Object.keys(countWords(line))
    .map((name) => `${name} → ${BANNED_WORDS[name]?.instead}`)
    .join('; ')

const faultsIn = (path: string): readonly string[] =>
  readText(path)
    .split('\n')
    .flatMap((line, index) => (hasBannedWord(line) ? [`${path}:${index + 1}: ${line.trim()} [${instead(line)}]`] : []))

describe('plain words', () => {
  test('countWords counts every form, in any case and inside names, and leaves the fixed names alone', () => {
    expect(countWords('The Seller told them to look; tellWaiters(look_again) hands it on')).toEqual({
      seller: 1,
      tell: 2,
      look: 2,
    })
    expect(countWords('a lighthouse at the doorstep, looked up, handed on, in place, to three decimal places')).toEqual({
      look: 1,
      'hand on': 1,
    })
    expect(hasBannedWord('test/house: a stream.pipe(other), a placeholder, marketing')).toBe(false)
  })

  test.each(filesBelow(['.'], (path) => /\.(md|ya?ml)$|^imagegate\.schema\.json$|^package\.json$/.test(path)))(
    '%s has none of the banned words',
    (path) => expect(faultsIn(path)).toEqual([]),
  )

  test('banned words and headless test names are at most as many as test/house/maxima.json allows (`npm run words` lowers it)', () => {
    const risen = Object.entries(currentCounts()).flatMap(([area, counts]) =>
      Object.entries(counts)
        .filter(([name, count]) => count > (maxima[area]?.[name] ?? 0))
        .map(([name, count]) => `${area}, ${name}: ${count}, at most ${maxima[area]?.[name] ?? 0}`),
    )
    const where = [...bannedTexts(), ...headlessNames()].join('\n')
    expect(risen, where).toEqual([])
  }, 60_000)

  test('a test’s name begins with the thing tested: no conjunction, preposition, pronoun or verb in front', () => {
    const right = ['a budget › is reserved', 'Retry-After › is read', 'without keys › a page is open', 'files never import one another']
    const wrong = ['when it is full › waits', 'without keys › opens', 'is unknown', 'what is said › has a code']
    expect([...right, ...wrong].filter((name) => beginsWithAThing(name))).toEqual(right)
  })
})
