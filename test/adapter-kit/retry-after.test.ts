import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { retryAfterMs } from '#adapter-kit'

const DATE = 'Sat, 21 Nov 2026 10:00:00 GMT'

describe('Retry-After', () => {
  test.each([
    ['seconds', '7', 7_000],
    ['seconds with white space', ' 7 ', 7_000],
    ['a fraction of seconds', '1.5', 1_500],
    ['no wait', '0', 0],
    ['a hundred days', '9000000', 9_000_000_000],
    ['more than a number holds', '9'.repeat(400), Number.MAX_SAFE_INTEGER],
    ['a date', 'Sat, 21 Nov 2026 10:00:07 GMT', 7_000],
    ['a date in the old form', 'Saturday, 21-Nov-26 10:00:07 GMT', 7_000],
    ['a date in the form of asctime', 'Sat Nov 21 10:00:07 2026', 7_000],
    ['a date in ISO 8601', '2026-11-21T10:00:07Z', 7_000],
    ['a date in the past', 'Sat, 21 Nov 2026 09:00:00 GMT', 0],
    ['two headers joined', '5, 9', 9_000],
  ])('as %s is read in milliseconds', (_, value, wait) => {
    expect(retryAfterMs({ 'retry-after': value, date: DATE })).toBe(wait)
  })

  test.each(['', ' ', '-5', '-1.5', '1e9', 'soon', 'a1', 'Nov', '1.', 'NaN', 'Infinity', '12 seconds'])('as %j says nothing', (value) => {
    expect(retryAfterMs({ 'retry-after': value, date: DATE })).toBeNull()
  })

  test('that is missing says nothing', () => {
    expect(retryAfterMs({})).toBeNull()
  })

  test('as a list is the longest of its values', () => {
    expect(retryAfterMs({ 'retry-after': ['3', 'soon', 'Sat, 21 Nov 2026 10:00:07 GMT'], date: [DATE] })).toBe(7_000)
    expect(retryAfterMs({ 'retry-after': [] })).toBeNull()
  })

  test('as a date is measured against the reply’s own Date, else against the time given, else not at all', () => {
    const until = 'Sat, 21 Nov 2026 10:00:07 GMT'
    expect(retryAfterMs({ 'retry-after': until, date: DATE }, Date.parse('2030-01-01'))).toBe(7_000)
    expect(retryAfterMs({ 'retry-after': until }, Date.parse('2026-11-21T10:00:05Z'))).toBe(2_000)
    expect(retryAfterMs({ 'retry-after': until, date: 'soon' })).toBeNull()
  })

  test('of any text never throws, and is a whole number of milliseconds or nothing', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.array(fc.string())), fc.string(), (value, date) => {
        const wait = retryAfterMs({ 'retry-after': value, date })
        expect(wait === null || (Number.isSafeInteger(wait) && wait >= 0)).toBe(true)
      }),
      { seed: 20_261_121, numRuns: 500 },
    )
  })
})
