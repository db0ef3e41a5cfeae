import { describe, expect, it } from 'vitest'
import { parseJson, serialize } from '../../src/transport/json.ts'

describe('parseJson', () => {
  it.each([
    ['{"seed":15903412345678901234}', { seed: '15903412345678901234' }],
    ['{"seed":9007199254740993}', { seed: '9007199254740993' }],
    ['[-12345678901234567890]', ['-12345678901234567890']],
    ['{"cost":1234567890.1234567891}', { cost: '1234567890.1234567891' }],
    ['{"cost":0.12345678901234567890123}', { cost: '0.12345678901234567890123' }],
    ['[1e400]', ['1e400']],
    ['[1,-2.5E-400]', [1, '-2.5E-400']],
    ['1e999', '1e999'],
  ])('keeps every digit of %s as a string', (text, expected) => {
    expect(parseJson(text)).toEqual(expected)
  })

  it.each([
    ['{"a":1.50,"b":0.0013,"c":-0,"d":1e3,"e":9007199254740991}', { a: 1.5, b: 0.0013, c: -0, d: 1000, e: 9007199254740991 }],
    ['[9007199254740992, 1e308, 0.10000000000000000000, 1e-320]', [9007199254740992, 1e308, 0.1, 1e-320]],
    ['[0e500, 12345678901234560000]', [0, 12345678901234560000]],
  ])('leaves numbers a double holds in %s as numbers', (text, expected) => {
    expect(parseJson(text)).toEqual(expected)
  })

  it('leaves strings of digits alone', () => {
    expect(parseJson('{"id":"12345678901234567890","n":1}')).toEqual({ id: '12345678901234567890', n: 1 })
  })

  it.each(['{"__proto__":{"admin":true},"a":1}', '{"\\u005f_proto__":{"admin":true},"a":1}', '{"__proto\\u005F_":{"admin":true},"a":1}'])(
    'drops the prototype key of %s',
    (text) => {
      const parsed = parseJson(text)
      expect(Object.getOwnPropertyNames(parsed)).toEqual(['a'])
      expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype)
      expect(Object.assign({}, parsed)).not.toHaveProperty('admin')
    },
  )

  it.each(['', '{', '{"a":1,}', '{"seed":12345678901234567890', 'NaN', '<html>'])('throws on %j', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError)
  })
})

describe('the text of a body', () => {
  it.each([
    [{ seed: { $digits: '18446744073709551615' } }, '{"seed":18446744073709551615}'],
    [[{ $digits: '0' }, [{ $digits: '-12' }]], '[0,[-12]]'],
    [{ a: { $digits: '007' } }, '{"a":{"$digits":"007"}}'],
    [{ a: { $digits: '1e5' } }, '{"a":{"$digits":"1e5"}}'],
    [{ a: { $digits: '1', b: 2 } }, '{"a":{"$digits":"1","b":2}}'],
    [{ a: { $digits: 5 } }, '{"a":{"$digits":5}}'],
    [{ prompt: '{"$digits":"5"}' }, String.raw`{"prompt":"{\"$digits\":\"5\"}"}`],
    [{ $digits: '5' }, '5'],
  ])('of %j is %s', (body, text) => {
    expect(serialize(body)).toBe(text)
  })
})
