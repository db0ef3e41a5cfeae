import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MoneyError, shareUsd, sumUsd } from '#contract'

describe('an amount shared', () => {
  test('sums to the amount to the last digit, and no two parts differ by more than a nanodollar', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }), fc.integer({ min: 1, max: 50 }), (nano, parts) => {
        const sign = nano < 0n ? '-' : ''
        const digits = (nano < 0n ? -nano : nano).toString().padStart(10, '0')
        const amount = `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`
        const shares = shareUsd(amount, parts)
        expect(shares).toHaveLength(parts)
        expect(sumUsd(shares)).toBe(sumUsd([amount]))
        expect(new Set(shares).size).toBeLessThanOrEqual(2)
      }),
    )
  })

  test('the first parts take what does not divide', () => {
    expect(shareUsd('0.000000005', 3)).toEqual(['0.000000002', '0.000000002', '0.000000001'])
    expect(shareUsd('0.1', 3)).toEqual(['0.033333334', '0.033333333', '0.033333333'])
  })

  test.each([0, -1, 1.5, Number.NaN])('%s parts are refused', (parts) => {
    expect(() => shareUsd('1', parts)).toThrow(MoneyError)
  })
})
