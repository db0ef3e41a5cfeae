import { describe, expect, test } from 'vitest'
import { owned, requireOwned } from '../../src/http/owned.ts'

const key = (name: string | null) => ({ key: name, isAdmin: false })
const record = { key: 'team-a', id: 'gen_1' }

describe('owned', () => {
  test.each([
    ['its own key', record, key('team-a'), record],
    ['another key', record, key('team-b'), null],
    ['an admin key', record, { key: 'boss', isAdmin: true }, record],
    ['no key, where none are on', record, { key: null, isAdmin: true }, record],
    ['no key, where keys are on', { ...record, key: null }, key(null), null],
    ['a key, where it was made without one', { ...record, key: null }, key('team-a'), null],
    ['its key, where there is none', null, key('team-a'), null],
  ])('a record asked for with %s', (_, found, caller, seen) => {
    expect(owned(found, caller)).toEqual(seen)
  })

  test('another key is answered as if the record were not there', () => {
    const problem = { details: { code: 'not_found', detail: 'There is no generation gen_1.' } }
    expect(() => requireOwned(record, key('team-b'), 'generation', 'gen_1')).toThrow(expect.objectContaining(problem))
    expect(() => requireOwned(null, key('team-a'), 'generation', 'gen_1')).toThrow(expect.objectContaining(problem))
  })
})
