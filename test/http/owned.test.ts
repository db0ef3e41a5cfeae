import { describe, expect, test } from 'vitest'
import { owned, requireOwned } from '../../src/http/owned.ts'

const record = { key: 'team-a', id: 'gen_1' }

describe('owned', () => {
  test.each([
    ['its own key', record, 'team-a', record],
    ['another key', record, 'team-b', null],
    ['no key, where none are configured', record, null, record],
    ['a key, where it was made without one', { ...record, key: null }, 'team-a', null],
    ['its key, where there is none', null, 'team-a', null],
  ])('a record asked for with %s', (_, found, key, seen) => {
    expect(owned(found, key)).toEqual(seen)
  })

  test('another key is answered as if the record were not there', () => {
    const problem = { details: { code: 'not_found', detail: 'There is no generation gen_1.' } }
    expect(() => requireOwned(record, 'team-b', 'generation', 'gen_1')).toThrow(expect.objectContaining(problem))
    expect(() => requireOwned(null, 'team-a', 'generation', 'gen_1')).toThrow(expect.objectContaining(problem))
  })
})
