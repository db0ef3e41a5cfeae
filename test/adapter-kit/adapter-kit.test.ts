import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Usd, type Json, type Reply } from '#contract'
import {
  costOf,
  digitsOf,
  exactNumber,
  imageSource,
  isBodyOfTask,
  pollRefusal,
  saidInsteadOfLink,
  submitFailure,
  usdOf,
  vendorFacts,
  webUrl,
  withoutRepeats,
  withoutSecrets,
} from '#adapter-kit'

const RUNS = { seed: 20_261_121, numRuns: 300 } as const
const reply = (status: number, headers: Record<string, string> = {}): Reply => ({ status, headers, body: null })

describe('digits', () => {
  test.each([
    [0, '0'],
    [-0, '0'],
    [15_903, '15903'],
    ['9223372036854775807', '9223372036854775807'],
    [1_152_921_504_606_847_000, '1152921504606847000'],
    [-1, undefined],
    [1.5, undefined],
    [1e300, undefined],
    ['1e5', undefined],
    ['', undefined],
    [null, undefined],
    [undefined, undefined],
  ])('of %j are %j', (value, digits) => {
    expect(digitsOf(value)).toBe(digits)
  })

  test('of a seed come back from a call’s body as they went in', () => {
    expect([exactNumber('42'), exactNumber('9223372036854775807')]).toEqual([42, { $digits: '9223372036854775807' }])
  })
})

describe('an amount', () => {
  test.each([
    [0.09, 0, '0.09'],
    ['0.030', 0, '0.03'],
    [4.5, -2, '0.045'],
    [0, 0, '0'],
    [1e-7, 0, '0.0000001'],
    [-1.5, 0, '-1.5'],
    ['$1', 0, null],
    ['', 0, null],
    [{}, 0, null],
    [null, 0, null],
    ['9'.repeat(80), 0, null],
  ])('%j, shifted by %d, is %j dollars', (value, shift, dollars) => {
    expect(usdOf(value, shift)).toBe(dollars)
  })

  test('of zero is a cost, and one below zero is none', () => {
    expect(costOf(0)).toEqual({ amount: '0', raw: 0 })
    expect(costOf('0.00', { raw: { cost: '0.00' } })).toEqual({ amount: '0', raw: { cost: '0.00' } })
    expect([costOf(-0.01), costOf(undefined), costOf(null)]).toEqual([undefined, undefined, undefined])
  })

  test('that is too large to be written is the greatest amount, which nobody believes, and not none', () => {
    for (const large of [1e13, '1234567890123456', 1e308, '1e400', Infinity, '9'.repeat(70)])
      expect(costOf(large), String(large)).toEqual({ amount: '999999999999', raw: large })
    for (const none of ['-1e400', 'NaN', '0x10', '1e', [], true, '1e13 dollars']) expect(costOf(none), String(none)).toBeUndefined()
  })

  test('of any value is dollars or nothing', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const amount = usdOf(value as Json)
        expect(amount === null || Usd.safeParse(amount).success).toBe(true)
      }),
      RUNS,
    )
  })
})

describe('a link', () => {
  const BASE = 'https://api.vendor.example/v1/tasks/7'

  test.each([
    ['https://a.example/x.png', 'https://a.example/x.png'],
    ['  HTTP://A.example/x y.png\n', 'http://a.example/x%20y.png'],
    ['https://a.exa\nmple/\tx.png', 'https://a.example/x.png'],
    ['https:\\\\a.example\\x.png', 'https://a.example/x.png'],
    ['//a.example/x.png', 'https://a.example/x.png'],
    ['/x.png', 'https://api.vendor.example/x.png'],
    ['x.png?sig=1', 'https://api.vendor.example/v1/tasks/x.png?sig=1'],
  ])('%j is %s, as a URL parser makes it', (text, href) => {
    expect(webUrl(text, BASE)?.href).toBe(href)
  })

  test.each(['', ' ', undefined, null, 'ftp://a.example/x', 'file:///etc/passwd', 'javascript:alert(1)', 'https://', 'mailto:a@b.example'])(
    '%j is none',
    (text) => {
      expect(webUrl(text, BASE)).toBeNull()
    },
  )

  test('that is absolute needs no base, not even a good one', () => {
    expect(webUrl('https://a.example/x.png', '/v1/tasks/7')?.href).toBe('https://a.example/x.png')
    expect(webUrl('/x.png', '/v1/tasks/7')).toBeNull()
  })

  test('that is relative needs the URL of the reply', () => {
    expect(webUrl('/x.png')).toBeNull()
    expect(imageSource('/x.png', BASE)).toEqual({ kind: 'url', url: 'https://api.vendor.example/x.png' })
  })

  test.each([
    ['data:image/png;base64,QUJD', 'QUJD'],
    ['DATA:image/jpg;charset=x;BASE64 ,QU JD\n', 'QUJD'],
    ['data:;base64,-_8', '+/8='],
    ['data:image/png;base64,QUI%3D', 'QUI='],
    ['data:image/svg+xml,%3Csvg/%3E', btoa('<svg/>')],
    ['data:,', null],
    ['data:image/png;base64,', null],
    ['data:image/png;base64,A', null],
    ['data:image/png;base64,!!!!', null],
    ['data:image/png,€', null],
    ['  data:image/png;base64,QUJD#top', 'QUJD'],
    ['data:image/png', null],
  ])('%j as a data URI holds %j', (text, payload) => {
    expect(imageSource(text)).toEqual(payload === null ? null : { kind: 'base64', data: payload })
  })

  test.each([
    [undefined, 'nothing'],
    [' ', 'an empty text'],
    [7, 'a number'],
    [[], 'a list'],
    [{}, 'an object'],
    ['ftp://a.example/x?sig=SECRET', '"ftp://a.example/x"'],
  ])('that is none is said: %j is %s', (value, said) => {
    expect(saidInsteadOfLink(value)).toBe(said)
  })
})

describe('an item that comes twice', () => {
  test('by any of its keys is kept once, as it came first', () => {
    const items = [{ id: 'a', url: '1' }, { id: 'b', url: '2' }, { id: 'a', url: '3' }, { url: '2' }, { url: '3' }]
    expect(withoutRepeats(items, ({ id, url }) => [id && `id ${id}`, `url ${url}`])).toEqual(items.slice(0, 2))
  })
})

describe('a vendor’s text', () => {
  test.each([
    ['see https://user:SECRET@a.example/x.png?sig=SECRET#SECRET now', 'see https://a.example/x.png now'],
    ['HTTPS:\\\\a.example/x?key=SECRET', 'HTTPS:\\\\a.example/x'],
    ['s3://bucket/x?X-Amz-Signature=SECRET', 's3://bucket/x'],
    ['refused X-Amz-Signature=SECRET&x=1', 'refused X-Amz-Signature=…&x=1'],
    ['api_key: SECRET is wrong', 'api_key: … is wrong'],
    ['Authorization: Bearer SECRETSECRET.x', 'Authorization: Bearer …'],
    ['the token is missing', 'the token is missing'],
    ['width must be a multiple of 16', 'width must be a multiple of 16'],
  ])('%j is shown as %j', (text, shown) => {
    expect(withoutSecrets(text)).toBe(shown)
  })

  test('is bounded in length', () => {
    expect(withoutSecrets('x'.repeat(2_000))).toHaveLength(500)
  })

  test('of any kind is scrubbed without throwing, to whole characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 1_200 }), (text) => {
        const shown = withoutSecrets(text)
        expect(shown.length <= 500 && shown.isWellFormed()).toBe(true)
      }),
      RUNS,
    )
  })

  test('is left out of the facts where it is absent, empty of meaning or too large', () => {
    expect(vendorFacts({ a: undefined, b: null })).toEqual({})
    expect(vendorFacts({ a: 0, b: { link: 'https://a.example/?sig=SECRET' }, c: Array.from({ length: 900 }, () => 'long') })).toEqual({
      vendor: { a: 0, b: { link: 'https://a.example/' } },
    })
  })
})

describe('a status', () => {
  test('of a submit is read by the common table, refined by the vendor’s', () => {
    const words = { title: 'Acme', statuses: { 429: { says: 'has a full queue' } } }
    expect(submitFailure(reply(429, { 'retry-after': '1.5' }), words)).toEqual({
      code: 'rate_limited',
      billed: false,
      message: 'Acme has a full queue (HTTP 429)',
      provider_status: 429,
      provider_code: null,
      provider_message: null,
      retry_after_ms: 1_500,
    })
    expect(submitFailure(reply(502), words)).toMatchObject({ code: 'provider_unavailable', billed: 'unknown' })
  })

  test('of a poll never says what the task costs', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), (status) => {
        expect(pollRefusal(reply(status), { title: 'Acme' }).billed).toBe('unknown')
      }),
      RUNS,
    )
  })

  test('word in a body is believed where the body is the task’s own', () => {
    expect(isBodyOfTask(reply(200), 'mine', 'mine')).toBe(true)
    expect(isBodyOfTask(reply(200), undefined, 'mine')).toBe(true)
    expect(isBodyOfTask(reply(200), 'other', undefined)).toBe(true)
    expect(isBodyOfTask(reply(200), 'other', 'mine')).toBe(false)
    expect(isBodyOfTask(reply(503), 'mine', 'mine')).toBe(true)
    expect(isBodyOfTask(reply(503), 'other', 'mine')).toBe(false)
    expect(isBodyOfTask(reply(503), undefined, 'mine')).toBe(true)
    expect(isBodyOfTask(reply(401), undefined, 'mine')).toBe(false)
  })
})
