import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MEGAPIXEL, type Offer, type RangeSize, type TierSize } from '#contract'
import { adapt } from '../../../src/core/plan/adapt.ts'
import { orderFor } from '../../../src/core/plan/order.ts'
import { plan, quote } from '../../../src/core/plan/plan.ts'
import { isLegalSize, isNearEnough, nearestSize, sizeForShape } from '../../../src/core/plan/size.ts'
import type { Reference } from '../../../src/core/records.ts'
import type { PlannedRequest } from '../../../src/core/plan/finding.ts'
import { asking, bfl, candidate, planning, stored, unseen, withLimits } from './offers.ts'

const TIERS: TierSize = {
  kind: 'tier',
  aspect_ratios: ['16:9', '3:2', '1:1', '2:3', '9:16'],
  tiers: [
    { name: '1k', megapixels: 1, pixels: { '1:1': { width: 1024, height: 1024 }, '3:2': { width: 1248, height: 832 } } },
    { name: '2k', megapixels: 4 },
    { name: 'half', megapixels: 0.5 },
  ],
  follows_reference: false,
}
const tiered = withLimits(bfl, { size: TIERS })
const following = withLimits(bfl, { size: { ...TIERS, follows_reference: true } })

function judged(fields: Partial<PlannedRequest>, references: readonly Reference[] = [], offer: Offer = tiered) {
  const adaptation = adapt(asking(fields), references, offer)
  if (!adaptation.eligible) throw new Error(adaptation.reasons.join(' '))
  const { n: _, reference_images: __, ...applied } = adaptation.applied
  const said = adaptation.warnings.map(({ field, requested, used }) => [field, requested, used])
  return { applied, said, fidelity: adaptation.fidelity, assumptions: adaptation.assumptions }
}

describe('an offer that sells ratio × tier', () => {
  it('makes 1:1 at 1 megapixel of a request without a size, and says nothing', () => {
    expect(judged({})).toEqual({
      applied: { aspect_ratio: '1:1', tier: '1k', width: 1024, height: 1024 },
      said: [],
      fidelity: 'exact',
      assumptions: [],
    })
  })

  it.each<[name: string, fields: Partial<PlannedRequest>, applied: object, said: unknown[], fidelity: string]>([
    ['a ratio it has', { aspect_ratio: '3:2' }, { aspect_ratio: '3:2', tier: '1k', width: 1248, height: 832 }, [], 'exact'],
    ['a ratio and megapixels it has', { aspect_ratio: '9:16', megapixels: 4 }, { aspect_ratio: '9:16', tier: '2k' }, [], 'exact'],
    ['a ratio in other numbers', { aspect_ratio: '32:18' }, { aspect_ratio: '16:9', tier: '1k' }, [], 'exact'],
    [
      'a ratio between two',
      { aspect_ratio: '7:5' },
      { aspect_ratio: '3:2', tier: '1k', width: 1248, height: 832 },
      [['aspect_ratio', '7:5', '3:2']],
      'far',
    ],
    [
      'megapixels between two',
      { megapixels: 1.8 },
      { aspect_ratio: '1:1', tier: '1k', width: 1024, height: 1024 },
      [['megapixels', 1.8, 1]],
      'far',
    ],
    ['the published pixels', { width: 1248, height: 832 }, { aspect_ratio: '3:2', tier: '1k', width: 1248, height: 832 }, [], 'exact'],
    [
      'pixels beside the published ones',
      { width: 1232, height: 832 },
      { aspect_ratio: '3:2', tier: '1k', width: 1248, height: 832 },
      [['width', 1232, 1248]],
      'near',
    ],
    [
      'pixels where none are published',
      { width: 2048, height: 2048 },
      { aspect_ratio: '1:1', tier: '2k' },
      [
        ['width', 2048, '1:1 at 2k'],
        ['height', 2048, '1:1 at 2k'],
      ],
      'near',
    ],
  ])('adapts %s to the nearest, and says so', (_, fields, applied, said, fidelity) => {
    expect(judged(fields)).toMatchObject({ applied, said, fidelity })
  })

  it('says of a size that nobody publishes how large it is about', () => {
    expect(judged({ aspect_ratio: '16:9', megapixels: 4 }).assumptions).toEqual([
      'The provider publishes no exact size for 16:9 at 2k; it is about 4 megapixels.',
    ])
  })

  it('takes the tier with fewer megapixels where two are equally near', () => {
    expect(judged({ megapixels: 2 }).applied).toMatchObject({ tier: '1k' })
  })

  it('is not eligible for a shape or a size that nothing it sells is near, and with "reject" for any it has not exactly', () => {
    expect(adapt(asking({ width: 5000, height: 500 }), [], tiered)).toMatchObject({
      eligible: false,
      reasons: [expect.stringContaining('width, height: 5000×500 was asked, and nothing this offer sells is near it: 16:9, 3:2')],
    })
    const least: TierSize = { ...TIERS, tiers: [{ name: '4k', megapixels: 16 }] }
    expect(adapt(asking({ megapixels: 1 }), [], withLimits(bfl, { size: least })).eligible).toBe(false)
    expect(adapt(asking({ aspect_ratio: '7:5', on_unsupported: 'reject' }), [], tiered).eligible).toBe(false)
    expect(adapt(asking({ aspect_ratio: '3:2', on_unsupported: 'reject' }), [], tiered).eligible).toBe(true)
  })

  it('makes a reference’s own shape and size its order, or follows the reference where the provider does', () => {
    expect(judged({}, [stored(1500, 1000)])).toMatchObject({
      applied: { aspect_ratio: '3:2', tier: '1k' },
      said: [['megapixels', null, 0.9902]],
    })
    expect(judged({}, [stored(2000, 2000)], following)).toMatchObject({ applied: { tier: '2k' }, said: [['megapixels', null, 4]] })
    expect(judged({}, [unseen], following)).toMatchObject({ applied: { tier: '1k' }, said: [], fidelity: 'far' })
    expect(judged({}, [unseen])).toMatchObject({ applied: { aspect_ratio: '1:1' }, said: [['aspect_ratio', null, '1:1']], fidelity: 'far' })
  })

  it('is ordered by ratio and tier, with the pixels only where they are published', () => {
    const order = (fields: Partial<PlannedRequest>) => {
      const planned = plan(planning([candidate(tiered)], { request: asking(fields) }))
      const [route] = planned.kind === 'routes' ? planned.routes : []
      if (!route) throw new Error('no route')
      const { width, height, tier } = orderFor({
        route,
        prompt: 'a fox',
        attempt: { taskId: 'x', images: 1, seed: null },
        references: [],
        limits: tiered.limits,
      })
      return { width, height, tier }
    }
    expect(order({ aspect_ratio: '3:2' })).toEqual({
      width: undefined,
      height: undefined,
      tier: { name: '1k', aspectRatio: '3:2', pixels: { width: 1248, height: 832 } },
    })
    expect(order({ megapixels: 4 }).tier).toEqual({ name: '2k', aspectRatio: '1:1' })
  })

  it('shows ratio and tier in a quote', () => {
    const [offer] = quote(planning([candidate(tiered)], { request: asking({ megapixels: 4 }) })).offers
    expect(offer?.applied).toMatchObject({ aspect_ratio: '1:1', tier: '2k' })
    expect(offer?.cost?.per_megapixel).toBe('0.01875')
  })
})

describe('a size that is calculated from shape and megapixels', () => {
  const RATIOS = '21:9 2:1 16:9 3:2 7:5 4:3 5:4 1:1 4:5 3:4 5:7 2:3 9:16 1:2 9:21 2.35:1'.split(' ')

  it('costs the megapixels it is about, whatever its shape: a fraction of a pixel is no further one', () => {
    const limit: TierSize = {
      ...TIERS,
      aspect_ratios: RATIOS,
      tiers: [
        { name: '1', megapixels: 1 },
        { name: '4', megapixels: 4 },
      ],
    }
    const offer = withLimits(bfl, { size: limit })
    for (const ratio of RATIOS) {
      for (const [megapixels, amount] of [
        [1, '0.03'],
        [4, '0.075'],
      ] as const) {
        const request = asking({ aspect_ratio: ratio, megapixels })
        const [row] = quote(planning([candidate(offer)], { request })).offers
        expect(row?.cost, `${ratio} at ${megapixels}`).toMatchObject({ amount, per_megapixel: expect.any(String) })
      }
    }
  })
})

describe('an offer of a single resolution', () => {
  const single = withLimits(bfl, { size: { ...TIERS, tiers: [{ name: '4 MP', megapixels: 4 }] } })

  it('is bought at that resolution where nobody asked for another, and a warning says so', () => {
    const applied = { aspect_ratio: '16:9', tier: '4 MP' }
    expect(judged({ aspect_ratio: '16:9' }, [], single)).toMatchObject({ applied, said: [['megapixels', 1, 4]], fidelity: 'far' })
    expect(judged({}, [stored(640, 360)], single)).toMatchObject({ applied, said: [['megapixels', null, 4]] })
    expect(judged({}, [], single)).toMatchObject({ applied: { aspect_ratio: '1:1', tier: '4 MP' } })
  })

  it('is refused where a fourth of its pixels was asked, or a shape it has nothing near', () => {
    for (const asked of [{ megapixels: 1 }, { width: 1024, height: 1024 }, { aspect_ratio: '8:1' }])
      expect(adapt(asking(asked), [], single), JSON.stringify(asked)).toMatchObject({ eligible: false })
  })
})

describe('megapixels alone', () => {
  const shape = (references: readonly Reference[], offer: Offer) => judged({ megapixels: 1 }, references, offer).applied

  it('keep the shape of the first reference, else are square', () => {
    expect(shape([stored(3000, 2000)], tiered)).toMatchObject({ aspect_ratio: '3:2' })
    const { width = 0, height = 1 } = shape([stored(3000, 2000)], bfl)
    expect(width / height).toBeCloseTo(1.5, 1)
    expect(shape([], bfl)).toEqual({ width: 1024, height: 1024 })
    expect(judged({ megapixels: 1 }, [unseen], bfl).said).toEqual([['aspect_ratio', null, '1:1']])
  })
})

/** As a model sells them whose images have at least 655,360 pixels and a shape of at most 3:1. */
const BOUNDED: RangeSize = {
  kind: 'range',
  width: { type: 'range', min: 16, max: 3840, step: 16 },
  height: { type: 'range', min: 16, max: 3840, step: 16 },
  min_pixels: 655_360,
  max_pixels: 8_294_400,
  max_ratio: 3,
  required: false,
  follows_reference: false,
}

describe('least pixels and the longest shape', () => {
  const side = fc.integer({ min: 1, max: 6000 })

  it('bound every size: whatever is asked, the nearest legal one is found', () => {
    fc.assert(
      fc.property(side, side, fc.double({ min: 0.05, max: 12, noNaN: true }), (width, height, megapixels) => {
        const nearest = nearestSize({ width, height }, BOUNDED)
        const shaped = sizeForShape({ width, height }, megapixels * MEGAPIXEL, BOUNDED)
        expect(nearest && isLegalSize(nearest, BOUNDED)).toBe(true)
        expect(shaped && isLegalSize(shaped, BOUNDED)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    [
      { width: 1024, height: 1024 },
      { width: 1024, height: 1024 },
    ],
    [
      { width: 512, height: 512 },
      { width: 816, height: 816 },
    ],
    [
      { width: 2000, height: 400 },
      { width: 1536, height: 512 },
    ],
  ])('make of %o the size %o', (asked, made) => {
    expect(nearestSize(asked, BOUNDED)).toEqual(made)
    expect(isNearEnough(asked, made)).toBe(true)
  })

  it('are named where they adapt or refuse', () => {
    const offer = withLimits(bfl, { size: BOUNDED })
    const adapted = adapt(asking({ width: 512, height: 512 }), [], offer)
    expect(adapted.eligible && adapted.warnings[0]?.reason).toContain(
      'at least 655360 pixels in all, at most 8294400 pixels in all, the longer side at most 3 times the shorter',
    )
    expect(adapt(asking({ width: 4000, height: 400 }), [], offer).eligible).toBe(false)
  })
})
