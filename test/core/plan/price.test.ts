import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareUsd, multiplyUsd, PublishedPrice, sumUsd, type PriceRule, type TokenPrice } from '#contract'
import { meteredPrice, priceOf as priceIfKnown, quoteFor } from '../../../src/core/plan/price.ts'
import { bfl, perImage, PRO_PRICE, runware, stored, unseen, vtrix } from './offers.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_121 })

/** Of a rule that has an amount for it. */
function priceOf(...asked: Parameters<typeof priceIfKnown>) {
  const price = priceIfKnown(...asked)
  if (price === null) throw new Error('no price')
  return price
}

const SMALL = { width: 1024, height: 1024 }
const copies = <T>(count: number, of: T): T[] => Array.from({ length: count }, () => of)

describe('a price by the megapixel', () => {
  it.each([
    ['Volcanic Glasshouse Orchid Procession', 3, '0.09'],
    ['Submerged Grand Library Atrium', 0, '0.045'],
    ['Tidal Clockwork Harbor Panorama', 3, '0.09'],
    ['Wind-Carved Salt Cathedral', 0, '0.045'],
  ])('is what the provider’s page prints for “%s”: 1536×1024 with %d references at %s', (_title, count, amount) => {
    expect(priceOf(PRO_PRICE, { width: 1536, height: 1024, images: 1, references: copies(count, SMALL) }).amount).toBe(amount)
  })

  it.each([
    [65, 65, '0.03'],
    [1024, 1024, '0.03'],
    [1024, 1025, '0.045'],
    [1920, 1080, '0.045'],
    [2048, 2048, '0.075'],
  ])('counts a begun megapixel whole and never less than one: %d×%d is %s', (width, height, amount) => {
    expect(priceOf(PRO_PRICE, { width, height, images: 1, references: [] }).amount).toBe(amount)
  })

  it('rounds each reference on its own and counts none above the cap', () => {
    const references = [SMALL, { width: 1025, height: 1024 }, { width: 6000, height: 4000 }]
    const { lines } = priceOf(PRO_PRICE, { ...SMALL, images: 1, references })
    expect(lines).toEqual([
      { what: 'first output megapixel', quantity: 1, unit_amount: '0.03', amount: '0.03' },
      { what: 'reference megapixel', quantity: 1 + 2 + 4, unit_amount: '0.015', amount: '0.105' },
    ])
  })

  it('without a cap counts a large reference in full', () => {
    const rule: PriceRule = { ...PRO_PRICE, reference_cap_mp: null }
    expect(priceOf(rule, { ...SMALL, images: 1, references: [{ width: 4096, height: 4096 }] }).amount).toBe('0.27')
  })

  it('of several images is as many times the price of one, references included', () => {
    const one = priceOf(PRO_PRICE, { width: 1536, height: 1024, images: 1, references: [SMALL, SMALL] })
    const four = priceOf(PRO_PRICE, { width: 1536, height: 1024, images: 4, references: [SMALL, SMALL] })
    expect(four.amount).toBe(multiplyUsd(one.amount, 4))
  })
})

it('a price by the image does not depend on the size', () => {
  expect(priceOf(perImage('0.0450'), { width: 1440, height: 1440, images: 3, references: [SMALL] })).toEqual({
    amount: '0.135',
    lines: [{ what: 'image', quantity: 3, unit_amount: '0.045', amount: '0.135' }],
  })
})

it('nothing delivered costs nothing, without lines', () => {
  expect(priceOf(PRO_PRICE, { ...SMALL, images: 0, references: [SMALL] })).toEqual({ amount: '0', lines: [] })
})

describe('every price', () => {
  const amount = fc.integer({ min: 0, max: 1_000_000_000 }).map((nano) => `0.${nano.toString().padStart(9, '0').slice(-9)}`)
  const rule = fc.oneof(
    amount.map(perImage),
    fc
      .record({
        first_output: amount,
        extra_output: amount,
        reference: amount,
        reference_cap_mp: fc.option(fc.integer({ min: 1, max: 9 })),
      })
      .map((amounts): PriceRule => Object.assign({}, PRO_PRICE, amounts)),
  )
  const size = fc.record({ width: fc.integer({ min: 1, max: 8192 }), height: fc.integer({ min: 1, max: 8192 }) })
  const references = fc.array(size, { maxLength: 10 })
  const images = fc.integer({ min: 1, max: 20 })

  it('is the sum of its lines to the last digit, each the product of its quantity, and never negative', () => {
    fc.assert(
      fc.property(rule, size, images, references, (rule, size, images, references) => {
        const { amount, lines } = priceOf(rule, { ...size, images, references })
        expect(sumUsd(lines.map((line) => line.amount))).toBe(amount)
        for (const line of lines) expect(multiplyUsd(line.unit_amount, line.quantity)).toBe(line.amount)
        expect(compareUsd(amount, '0')).toBeGreaterThanOrEqual(0)
      }),
    )
  })

  it('never falls when the image grows, a reference is added or another image is asked', () => {
    const growth = fc.integer({ min: 0, max: 4096 })
    fc.assert(
      fc.property(rule, size, growth, images, references, size, (rule, size, more, images, references, extra) => {
        const base = priceOf(rule, { ...size, images, references }).amount
        const larger = { width: size.width + more, height: size.height + more }
        expect(compareUsd(priceOf(rule, { ...larger, images, references }).amount, base)).toBeGreaterThanOrEqual(0)
        expect(compareUsd(priceOf(rule, { ...size, images, references: [...references, extra] }).amount, base)).toBeGreaterThanOrEqual(0)
        expect(compareUsd(priceOf(rule, { ...size, images: images + 1, references }).amount, base)).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})

describe('a quote', () => {
  it('is unknown for an offer without a published price, never nothing', () => {
    expect(quoteFor(vtrix, { ...SMALL, n: 1, reference_images: 0 }, [])).toBeNull()
  })

  it('for a known size and measured references assumes nothing', () => {
    expect(quoteFor(runware, { width: 1536, height: 1024, n: 1, reference_images: 1 }, [stored(512, 512)])).toMatchObject({
      amount: '0.06',
      assumptions: [],
    })
  })

  it('says which reference it could not see and takes it as one megapixel', () => {
    expect(quoteFor(runware, { ...SMALL, n: 1, reference_images: 2 }, [stored(2048, 1024), unseen])).toMatchObject({
      amount: '0.075',
      assumptions: ['The size of reference image 2 cannot be seen; it is priced as 1 megapixel.'],
    })
  })

  it('of an image that follows its reference is priced at the reference’s legal size, and says so', () => {
    expect(quoteFor(bfl, { n: 1, reference_images: 1 }, [stored(4096, 4096)])).toMatchObject({
      amount: '0.135',
      assumptions: ['The image is priced at the size of the first reference image, 2048×2048.'],
    })
  })

  it('of a shape at a resolution, sold without pixels, says nothing of a reference', () => {
    const size = {
      kind: 'tier' as const,
      aspect_ratios: ['1:1', '4:3'],
      tiers: [{ name: '1 MP', megapixels: 1 }],
      follows_reference: false,
    }
    const shaped = { ...runware, limits: { ...runware.limits, size } }
    expect(quoteFor(shaped, { aspect_ratio: '4:3', tier: '1 MP', n: 1, reference_images: 0 }, [])).toMatchObject({
      amount: '0.03',
      assumptions: [],
    })
  })

  it('of an image whose size nobody knows is priced as one megapixel, and says so', () => {
    const quote = quoteFor(bfl, { n: 1, reference_images: 1 }, [unseen])
    expect(quote?.amount).toBe('0.045')
    expect(quote?.assumptions).toHaveLength(2)
  })

  it('by the image needs no assumption about sizes', () => {
    expect(quoteFor({ ...bfl, price: perImage('0.04') }, { n: 2, reference_images: 1 }, [unseen])).toMatchObject({
      amount: '0.08',
      assumptions: [],
    })
  })
})

const DATED = { as_of: '2026-11-21', source_url: 'https://example.com/prices' } as const

describe('a price by the tier', () => {
  const rule: PriceRule = { kind: 'per_tier', tiers: { '1k': '0.048', '1.5k': null, '2k': '0.10' }, reference: null, ...DATED }
  const at = (tier: string, references = 0, price: PriceRule = rule) =>
    priceIfKnown(price, { ...SMALL, images: 2, references: copies(references, SMALL), tier })

  it('is one amount for each image of it', () => {
    expect(at('1k')).toEqual({ amount: '0.096', lines: [{ what: 'image at 1k', quantity: 2, unit_amount: '0.048', amount: '0.096' }] })
    expect(at('2k', 3, { ...rule, reference: '0.01' })?.amount).toBe('0.26')
  })

  it('is none where nobody publishes that of the tier, or of a reference', () => {
    expect([at('1.5k'), at('4k'), at('1k', 1)]).toEqual([null, null, null])
  })
})

/** With amounts as vendors of tokens publish them. */
const TOKENS: TokenPrice = {
  kind: 'token',
  per_million: { text_input: '5', image_input: '8', cached_input: null, image_output: '30', text_output: '0.125' },
  output_tokens: { '1024x1024': { low: 272, high: 4160 }, '2K': 1680 },
  reference_tokens: null,
  ...DATED,
}

describe('a price by tokens', () => {
  const quoted = (what: object, rule: TokenPrice = TOKENS) => priceIfKnown(rule, { ...SMALL, images: 1, references: [], ...what })

  it('is quoted from the table of size or tier, and quality', () => {
    expect(quoted({ quality: 'low' })).toEqual({
      amount: '0.00816',
      lines: [{ what: 'image output token', quantity: 272, unit_amount: '0.00003', amount: '0.00816' }],
    })
    expect(quoted({ tier: '2K', images: 2 })?.amount).toBe('0.1008')
    expect(quoted({ quality: 'low', references: [SMALL] }, { ...TOKENS, reference_tokens: 1000 })?.amount).toBe('0.01616')
  })

  it('is no quote without a table, for a size, a quality or a reference that is not in it', () => {
    const unknown = [{ width: 640 }, { quality: 'medium' }, {}, { quality: 'low', references: [SMALL] }].map((what) => quoted(what))
    expect([...unknown, quoted({ quality: 'low' }, { ...TOKENS, output_tokens: null })]).toEqual([null, null, null, null, null])
  })

  it('is what the vendor counted, each line rounded half up to the ninth decimal', () => {
    const counted = (tokens: object) => meteredPrice(TOKENS, { tokens, raw: null })
    expect(counted({ text_input: 12, image_output: 4160 })).toEqual({
      amount: '0.12486',
      lines: [
        { what: 'text input token', quantity: 12, unit_amount: '0.000005', amount: '0.00006' },
        { what: 'image output token', quantity: 4160, unit_amount: '0.00003', amount: '0.1248' },
      ],
    })
    expect(counted({ text_output: 3 })?.amount).toBe('0.000000375')
    expect(counted({ cached_input: 1, image_output: 10 })).toBeNull()
  })

  it('is published only where each amount is likely for a million tokens', () => {
    expect(PublishedPrice.safeParse(TOKENS).success).toBe(true)
    const wrong = PublishedPrice.safeParse({ ...TOKENS, per_million: { ...TOKENS.per_million, image_output: '30000' } })
    expect(wrong.error?.issues[0]).toMatchObject({
      path: ['per_million', 'image_output'],
      message: expect.stringContaining('a million tokens'),
    })
  })
})

describe('the vendor’s own units', () => {
  it('are priced by what one of them costs, and not at all where nobody says it', () => {
    const counted = { units: '3.008', raw: '3.008' }
    expect(meteredPrice({ ...PRO_PRICE, unit_amount: '0.015' }, counted)?.amount).toBe('0.04512')
    expect(meteredPrice(PRO_PRICE, counted)).toBeNull()
  })
})

describe('a surcharge', () => {
  const taxed = { ...runware, surchargePercent: '5.5' }

  it('is a line of its own, half up at the ninth decimal, and part of the amount', () => {
    expect(quoteFor(taxed, { ...SMALL, n: 1, reference_images: 0 }, [])).toMatchObject({
      amount: '0.03165',
      lines: [{ amount: '0.03' }, { what: 'surcharge of 5.5 %', quantity: 1, unit_amount: '0.00165', amount: '0.00165' }],
    })
    const odd = { ...taxed, price: perImage('0.000000003'), surchargePercent: '50' }
    expect(quoteFor(odd, { ...SMALL, n: 1, reference_images: 0 }, [])?.amount).toBe('0.000000005')
  })
})
