import { describe, expect, test } from 'vitest'
import type { Fidelity, Offer } from '#contract'
import { rangeSize } from '../../support/legal-orders.ts'
import type { Reference } from '../../../src/core/records.ts'
import { adapt } from '../../../src/core/plan/adapt.ts'
import { differingDefaults } from '../../../src/core/plan/fidelity.ts'
import type { PlannedRequest } from '../../../src/core/plan/finding.ts'
import { plan, quote } from '../../../src/core/plan/plan.ts'
import { asking, bfl, candidate, perImage, planning, runware, stored, unseen, vtrix, withLimits } from './offers.ts'

const flexLimits = (guidance: number | null, steps: number | null, upsampling: boolean) => ({
  guidance: { type: 'range', min: 1.5, max: 10, default: guidance } as const,
  steps: { type: 'range', min: 1, max: 50, step: 1, default: steps } as const,
  prompt_upsampling: { type: 'boolean', default: upsampling, settable: true } as const,
})

function fidelity(fields: Partial<PlannedRequest>, offer: Offer = bfl, references: readonly Reference[] = []): Fidelity {
  const adaptation = adapt(asking(fields), references, offer)
  if (!adaptation.eligible) throw new Error(adaptation.reasons.join())
  return adaptation.fidelity
}

describe('the fidelity of an offer', () => {
  test.each<[string, Partial<PlannedRequest>, Offer, readonly Reference[], Fidelity]>([
    ['a legal size', { width: 1536, height: 1024 }, bfl, [], 'exact'],
    ['no size', {}, bfl, [], 'exact'],
    ['a size less than a step and 3 % of the area off', { width: 1920, height: 1080 }, bfl, [], 'near'],
    ['a size a step off whose area is more than 3 % off', { width: 500, height: 500 }, vtrix, [], 'far'],
    ['a size that is far too large', { width: 4096, height: 4096 }, bfl, [], 'far'],
    ['a shape that is met to the pixel ratio', { aspect_ratio: '3:2' }, bfl, [], 'exact'],
    ['a shape that is met within a step', { aspect_ratio: '16:9' }, bfl, [], 'near'],
    ['one megapixel', { megapixels: 1 }, bfl, [], 'exact'],
    ['another format', { output_format: 'webp' }, vtrix, [], 'far'],
    ['the format as asked', { output_format: 'png' }, vtrix, [], 'exact'],
    ['a field that is dropped', { prompt_upsampling: true }, vtrix, [], 'near'],
    ['the size of a reference that is followed', {}, bfl, [stored(1536, 1024)], 'exact'],
    ['the size of a reference that is sent', {}, runware, [stored(1536, 1024)], 'exact'],
    ['the size of an unseen reference that is followed', {}, bfl, [unseen], 'exact'],
    ['the size of an unseen reference that is not followed', {}, runware, [unseen], 'far'],
  ])('for %s', (_, fields, offer, references, expected) => {
    expect(fidelity(fields, offer, references)).toBe(expected)
  })
})

describe('price and latency', () => {
  const priced = (provider: string, amount: string, offer: Offer = bfl): Offer => ({ ...offer, provider, price: perImage(amount) })
  const coarse = withLimits(bfl, {
    size: {
      ...rangeSize(bfl.limits.size),
      width: { type: 'range', min: 512, max: 2048, step: 512 },
      height: { type: 'range', min: 512, max: 2048, step: 512 },
    },
  })
  const order = (offers: readonly Offer[], fields: Partial<PlannedRequest> = {}) => {
    const planned = plan(
      planning(
        offers.map((offer) => candidate(offer)),
        { request: asking(fields) },
      ),
    )
    return planned.kind === 'routes' ? planned.routes.map(({ provider }) => provider) : []
  }
  const size = { width: 1280, height: 720 }

  test('compare equal images: an offer far from the one requested comes last, however cheap', () => {
    expect(order([priced('far', '0.01', coarse), priced('near', '0.05', vtrix), priced('exact', '0.03')], size)).toEqual([
      'exact',
      'near',
      'far',
    ])
    const quoted = quote(
      planning([candidate(priced('far', '0.01', coarse)), candidate(priced('near', '0.05', vtrix))], { request: asking(size) }),
    )
    expect(quoted).toMatchObject({ cheapest: 'near', route: ['near', 'far'] })
    expect(quoted.offers.map(({ provider, fidelity: nearness }) => [provider, nearness])).toEqual([
      ['near', 'near'],
      ['far', 'far'],
    ])
  })

  test('turn to a far offer where there is no other', () => {
    expect(order([priced('far', '0.01', coarse)], size)).toEqual(['far'])
    expect(quote(planning([candidate(priced('far', '0.01', coarse))], { request: asking(size) }))).toMatchObject({
      cheapest: null,
      route: ['far'],
    })
  })

  test('that are equal leave the choice to the offer with fewer warnings, then to the faster', () => {
    const drops = priced('drops', '0.03', vtrix)
    expect(order([drops, priced('honours', '0.03')], { prompt_upsampling: true })).toEqual(['honours', 'drops'])
    const latency = (p50: number) => ({ latency: { p50, p95: p50, samples: 9 } })
    const planned = plan(planning([candidate(priced('slow', '0.03'), latency(9)), candidate(priced('fast', '0.03'), latency(5))]))
    expect(planned.kind === 'routes' && planned.routes[0]?.provider).toBe('fast')
  })
})

describe('vendor defaults', () => {
  const one: Offer = { ...withLimits(bfl, flexLimits(5, 50, true)), provider: 'one' }
  const other: Offer = { ...withLimits(bfl, flexLimits(2.5, null, false)), provider: 'other' }
  const offers = (fields: Partial<PlannedRequest> = {}) =>
    quote(planning([candidate(one), candidate(other)], { request: asking(fields) })).offers

  test('that will act are shown as applied', () => {
    const [first, second] = offers()
    expect(first?.applied).toMatchObject({ guidance: 5, steps: 50, prompt_upsampling: true })
    expect(second?.applied).toMatchObject({ guidance: 2.5, prompt_upsampling: false })
    expect(second?.applied).not.toHaveProperty('steps')
  })

  test('are never part of what is asked of the vendor', () => {
    const planned = plan(planning([candidate(one)]))
    const [route] = planned.kind === 'routes' ? planned.routes : []
    expect(Object.keys(route?.applied ?? {}).toSorted()).toEqual(['height', 'n', 'reference_images', 'width'])
    expect(route?.defaults).toEqual({ guidance: 5, steps: 50, prompt_upsampling: true, safety_tolerance: null })
  })

  test('that differ are said on each offer concerned, and no longer where the field is asked', () => {
    for (const { assumptions } of offers()) {
      expect(assumptions).toEqual([
        'guidance: not asked, and one uses 5, other uses 2.5.',
        'steps: not asked, and one uses 50, other does not say what it uses.',
        'prompt_upsampling: not asked, and one uses on, other uses off.',
      ])
    }
    for (const { assumptions } of offers({ guidance: 3, steps: 20, prompt_upsampling: false })) expect(assumptions).toEqual([])
  })

  test('that are the same, or stand alone, are not worth a word', () => {
    const same = { defaults: { guidance: 5, steps: null } }
    expect(
      differingDefaults([
        { provider: 'a', ...same },
        { provider: 'b', ...same },
      ])('a'),
    ).toEqual([])
    expect(
      differingDefaults([
        { provider: 'a', defaults: { guidance: 5 } },
        { provider: 'b', defaults: {} },
      ])('a'),
    ).toEqual([])
  })
})
