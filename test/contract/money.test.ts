import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  compareUsd,
  createTally,
  isBeyondPercent,
  MoneyError,
  multiplyUsd,
  nanoFromDecimal,
  nanoFromUsd,
  percentAbove,
  shareOfUsd,
  subtractUsd,
  sumKnownUsd,
  sumUsd,
  Usd,
  usdFromDecimal,
  usdFromNano,
} from '#contract'

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_121 })

const LIMIT = 10n ** 20n
const nanos = fc.bigInt({ min: -LIMIT, max: LIMIT })

describe('reading a decimal', () => {
  it.each(['', ' ', 'abc', '1,5', '.5', '1.', '0x10', '1e', '--1', 'NaN', 'Infinity', '$1'])('refuses %j', (text) => {
    expect(() => nanoFromDecimal(text)).toThrow(MoneyError)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, '1e999999', '1e-100', '9'.repeat(61)])('refuses %s as out of range', (value) => {
    expect(() => nanoFromDecimal(value)).toThrow(MoneyError)
  })

  it.each([
    ['0.0450', '0.045'],
    [0.045, '0.045'],
    [1e-7, '0.0000001'],
    ['1E-7', '0.0000001'],
    ['4.5e-2', '0.045'],
    ['1e+2', '100'],
    [' 0.03 ', '0.03'],
    ['007.10', '7.1'],
    ['-0', '0'],
    ['0.000', '0'],
    ['-0.5', '-0.5'],
    [0.1 + 0.2, '0.3'],
    ['9223372036854775807', '9223372036854775807'],
    ['1234567890.123456789', '1234567890.123456789'],
  ])('%j is %s', (value, amount) => {
    expect(usdFromDecimal(value)).toBe(amount)
  })

  it.each([
    ['4.5', '0.045'],
    [3, '0.03'],
    ['0.1', '0.001'],
    ['150', '1.5'],
    ['1e1', '0.1'],
  ])('%j credits of one US cent are %s', (credits, amount) => {
    expect(usdFromDecimal(credits, -2)).toBe(amount)
  })

  it.each([
    ['0.0000000004', 0n],
    ['0.0000000005', 1n],
    ['0.0000000015', 2n],
    ['-0.0000000005', -1n],
    ['-0.0000000004', 0n],
    ['0.0000000004999999999999', 0n],
  ])('%s is rounded half away from zero to %d nanodollars', (value, nano) => {
    expect(nanoFromDecimal(value)).toBe(nano)
  })
})

describe('amounts', () => {
  it('come back unchanged from their string', () => {
    fc.assert(
      fc.property(nanos, (nano) => {
        expect(nanoFromUsd(usdFromNano(nano))).toBe(nano)
      }),
    )
  })

  it('are written as the schema wants them, without an exponent or trailing zeros', () => {
    fc.assert(
      fc.property(nanos, (nano) => {
        const amount = usdFromNano(nano)
        expect(Usd.safeParse(amount).success).toBe(true)
        expect(amount).not.toMatch(/e|\.$|\..*0$|^-0$/)
      }),
    )
  })

  it('are refused by the schema with more than nine decimals or as a number', () => {
    expect(Usd.safeParse('0.0000000001').success).toBe(false)
    expect(Usd.safeParse('1e-3').success).toBe(false)
    expect(Usd.safeParse(0.045).success).toBe(false)
  })

  it('add up exactly where floats do not', () => {
    expect(sumUsd(['0.1', '0.2'])).toBe('0.3')
    expect(sumUsd(Array<string>(10).fill('0.1'))).toBe('1')
    expect(sumUsd([])).toBe('0')
  })

  it('do not depend on the order they are added in', () => {
    fc.assert(
      fc.property(fc.array(nanos.map(usdFromNano)), (amounts) => {
        expect(sumUsd(amounts.toReversed())).toBe(sumUsd(amounts))
      }),
    )
  })

  it('are unknown as a sum as soon as one is unknown', () => {
    expect(sumKnownUsd(['0.1', null])).toBeNull()
    expect(sumKnownUsd(['0.1', '0.2'])).toBe('0.3')
  })

  it('subtract to what adds up again', () => {
    expect(subtractUsd('0.03', '0.045')).toBe('-0.015')
    fc.assert(
      fc.property(nanos, nanos, (left, right) => {
        const [one, other] = [usdFromNano(left), usdFromNano(right)]
        expect(sumUsd([subtractUsd(one, other), other])).toBe(one)
      }),
    )
  })

  it('multiply by whole quantities only', () => {
    expect(multiplyUsd('0.015', 3)).toBe('0.045')
    expect(multiplyUsd('0.0450', 0)).toBe('0')
    for (const quantity of [0.5, Number.NaN, 2 ** 53]) expect(() => multiplyUsd('1', quantity)).toThrow(MoneyError)
  })

  it('compare by value, whatever their spelling', () => {
    expect(compareUsd('0.0450', '0.045')).toBe(0)
    expect(['10', '9', '-1', '0.5'].toSorted(compareUsd)).toEqual(['-1', '0.5', '9', '10'])
  })
})

describe('a percentage above a base', () => {
  it.each([
    ['0.045', '0.03', '+50%'],
    ['0.03', '0.03', '+0%'],
    ['0.03', '0.06', '-50%'],
    ['0.04', '0.03', '+33%'],
    ['0.05', '0.03', '+67%'],
    ['0.1005', '0.1', '+1%'],
    ['0.0999', '0.1', '+0%'],
    ['0', '0.03', '-100%'],
  ])('of %s over %s is %s', (amount, base, percentage) => {
    expect(percentAbove(amount, base)).toBe(percentage)
  })

  it('is unknown over nothing', () => {
    expect(percentAbove('0.03', '0')).toBeNull()
  })
})

describe('a share of an amount', () => {
  it.each([
    ['0.09', 2, 3, '0.06'],
    ['0.1', 1, 3, '0.033333333'],
    ['0.2', 1, 3, '0.066666667'],
    ['-0.2', 1, 3, '-0.066666667'],
    ['0.000000001', 1, 2, '0.000000001'],
    ['5', 0, 4, '0'],
  ])('of %s, %d of %d, is %s', (amount, part, whole, share) => {
    expect(shareOfUsd(amount, part, whole)).toBe(share)
  })

  it.each([
    [1, 0],
    [1, -1],
    [0.5, 1],
    [1, Number.NaN],
  ])('is refused for %d of %d', (part, whole) => {
    expect(() => shareOfUsd('1', part, whole)).toThrow(MoneyError)
  })

  it('gives the amount back when the whole of it was made of equal parts', () => {
    fc.assert(
      fc.property(nanos, fc.integer({ min: 1, max: 20 }), (nano, whole) => {
        expect(shareOfUsd(multiplyUsd(usdFromNano(nano), whole), 1, whole)).toBe(usdFromNano(nano))
      }),
    )
  })
})

describe('a difference in percent', () => {
  it.each([
    ['0.0404', '0.04', false],
    ['0.0396', '0.04', false],
    ['0.040400001', '0.04', true],
    ['0.039599999', '0.04', true],
    ['0', '0', false],
    ['0.000000001', '0', true],
  ])('from %s to %s is beyond one: %s', (amount, base, beyond) => {
    expect(isBeyondPercent(amount, base, 1)).toBe(beyond)
  })

  it.each([
    ['0.0405', '0.04', '+1.3%'],
    ['0.03', '0.04', '-25.0%'],
    ['0.04', '0.04', '+0.0%'],
    ['0.0399999', '0.04', '+0.0%'],
    ['0.0805', '0.04', '+101.3%'],
    ['1', '0', null],
  ])('from %s to %s with one decimal is %s', (amount, base, percent) => {
    expect(percentAbove(amount, base, 1)).toBe(percent)
  })
})

describe('a tally', () => {
  it('is the sum of what was added, and nothing before', () => {
    expect(createTally().total()).toBe('0')
    fc.assert(
      fc.property(fc.array(nanos), (amounts) => {
        const tally = createTally()
        for (const nano of amounts) tally.add(usdFromNano(nano))
        expect(tally.total()).toBe(sumUsd(amounts.map(usdFromNano)))
      }),
    )
  })
})
