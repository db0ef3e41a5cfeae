import { expect, test } from 'vitest'
import { orderedId, randomId } from '../../src/core/new-id.ts'

const UUID_V7 = /^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/

test('an ordered id is a UUID v7 without dashes, and begins with the time it was made at', () => {
  const from = Date.now()
  const ids = Array.from({ length: 2_000 }, () => orderedId('gen'))
  const to = Date.now()
  for (const id of ids) {
    const uuid = id.slice('gen_'.length)
    expect(uuid).toMatch(UUID_V7)
    const madeAt = Number.parseInt(uuid.slice(0, 12), 16)
    expect(madeAt).toBeGreaterThanOrEqual(from)
    expect(madeAt).toBeLessThanOrEqual(to)
  }
})

test('no id comes twice, in order or at random', () => {
  const ids = Array.from({ length: 20_000 }, (_, index) => (index % 2 === 0 ? orderedId('gen') : randomId('req')))
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.filter((id) => !/^(?:gen|req)_[0-9a-f]{32}$/.test(id))).toEqual([])
})
