import { describe, expect, test } from 'vitest'
import { oddLink } from '../../src/sandbox/delivery.ts'
import { playOf, unplayedStories } from '../../src/sandbox/stories.ts'

const LINK = 'http://127.0.0.1:4000/image/a.jpg'
const BYTES = Buffer.from('bytes of an image')

describe('the story odd-link', () => {
  test.each(['space', 'newline', 'upper', null])('writes the link as %s so that a URL parser still finds the image', (parameter) => {
    const odd = oddLink(LINK, 'jpeg', BYTES, parameter)
    expect(odd).not.toBe(LINK)
    const { origin, pathname } = new URL(odd, 'http://127.0.0.1:4000/v1/task')
    expect(`${origin}${pathname}`).toBe(LINK)
  })

  test('writes the image itself as data', () => {
    expect(oddLink(LINK, 'png', BYTES, 'data')).toBe(`data:image/png;base64,${BYTES.toString('base64')}`)
  })
})

describe('a story in a prompt', () => {
  test.each([
    ['a hill sandbox:late-link', { story: 'late-link', parameter: null }],
    ['sandbox:late-link=250 a hill', { story: 'late-link', parameter: '250' }],
    ['sandbox:poll-refused=403,451@here', { story: 'poll-refused', parameter: '403,451' }],
    ['sandbox:error@elsewhere sandbox:slow@here', { story: 'slow', parameter: null }],
    ['sandbox:error@elsewhere', null],
    ['sandbox:toString', null],
    ['a hill', null],
  ])('%s is read as %o', (prompt, play) => {
    expect(playOf(prompt, 'here')).toEqual(play)
  })
})

describe('a story that nobody plays', () => {
  const said = (prompt: string) => unplayedStories(prompt, ['here', 'there']).map(({ requested, reason }) => [requested, reason])

  test.each(['a hill', 'sandbox: a hill', 'a sandbox', 'a hill sandbox:slow', 'sandbox:poll-refused=403,451@here', 'sandbox:error@there'])(
    'is none of those in "%s"',
    (prompt) => expect(said(prompt)).toEqual([]),
  )

  test.each([
    [
      'a hill sandbox:nonsense',
      'sandbox:nonsense',
      /^sandbox:nonsense is no story of the sandbox.+ There are moderated, moderated-output, .+, zero-bill\.$/,
    ],
    ['sandbox:moderatd@here', 'sandbox:moderatd@here', /Did you mean sandbox:moderated\? There are/],
    ['Sandbox:Slow', 'Sandbox:Slow', /Did you mean sandbox:slow\?/],
    [
      'sandbox:slow@ther',
      'sandbox:slow@ther',
      /^sandbox:slow@ther is of a provider that there is not.+ Did you mean @there\? There are here, there\.$/,
    ],
    ['sandbox:toString', 'sandbox:toString', /no story of/],
  ])('of "%s" is said with those that there are', (prompt, word, reason) => {
    expect(said(prompt)).toEqual([[word, expect.stringMatching(reason)]])
  })

  test('is said once each, of the first three', () => {
    const words = ['a', 'b', 'b', 'c', 'd'].map((letter) => `sandbox:no-${letter}`)
    expect(said(words.join(' ')).map(([word]) => word)).toEqual(['sandbox:no-a', 'sandbox:no-b', 'sandbox:no-c'])
    expect(said(`sandbox:${'x'.repeat(32_000)}`)[0]?.[0]).toHaveLength(60)
  })
})
