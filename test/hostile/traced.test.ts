import { expect, test } from 'vitest'
import { hitsIn } from '../support/traced.ts'

const SECRETS = [['a key', 'canary+of/this-test']] as const

test.each([
  ['as it is', 'x canary+of/this-test y'],
  ['in a URL', 'https://x/?a=canary%2Bof%2Fthis-test'],
  ['in base64', Buffer.from('canary+of/this-test').toString('base64')],
  ['in base64 of longer data', Buffer.from('Bearer canary+of/this-test, and more').toString('base64')],
])('the search of `npm run test:trace` finds a canary %s, and says which and where', (_, text) => {
  expect(hitsIn('the log', text, SECRETS)[0]).toMatch(/^a key is in the log: …/)
})

test('the search of `npm run test:trace` finds nothing where no canary is', () => {
  expect(hitsIn('the log', 'canary of this test', SECRETS)).toEqual([])
})
