import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Offer, RouteRule } from '#contract'
import { plan, quote, type PlanInput } from '../../../src/core/plan/plan.ts'
import { asking, bfl, candidate, perImage, planning, runware, stored, vtrix, withLimits } from './offers.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_121 })

const offerBy = (provider: string, amount: string | null): Offer => ({ ...bfl, provider, price: amount === null ? null : perImage(amount) })
const latency = (p50: number) => ({ latency: { p50, p95: p50 * 2, samples: 5 } })

const dear = candidate(offerBy('dear', '0.05'), latency(1000))
const cheap = candidate(offerBy('cheap', '0.03'), latency(9000))
const middle = candidate(offerBy('middle', '0.04'))
const unpriced = candidate(offerBy('unpriced', null), latency(500))
const everyOffer = [dear, unpriced, cheap, middle]

function routed(input: PlanInput) {
  const planned = plan(input)
  if (planned.kind === 'refused') throw new Error(`refused: ${JSON.stringify(planned.considered)}`)
  return { ...planned, order: planned.routes.map((route) => route.provider) }
}

function refused(input: PlanInput): Readonly<Record<string, readonly string[]>> {
  const planned = plan(input)
  if (planned.kind !== 'refused') throw new Error('not refused')
  return Object.fromEntries(planned.considered.map(({ provider, reasons }) => [provider, reasons]))
}

describe('a refusal', () => {
  it('names every offer with all its reasons', () => {
    const reasons = refused(
      planning([candidate(vtrix), candidate(bfl, { unavailable: 'no API key is configured' })], {
        request: asking({ safety_tolerance: 0, provider: { max_price_usd: '0.01' } }),
      }),
    )
    expect(reasons['vtrix']).toEqual(['safety_tolerance: 0 was asked, and the strictest this offer takes is 1; safety is never loosened.'])
    expect(reasons['bfl']).toEqual(['no API key is configured', 'provider.max_price_usd: the quote is 0.03, and at most 0.01 is allowed.'])
  })

  it('comes where there is no offer at all', () => {
    expect(refused(planning([]))).toEqual({})
  })

  it('is the answer to an unpriced offer under a price limit', () => {
    const reasons = refused(planning([unpriced], { request: asking({ provider: { max_price_usd: '1' } }) }))
    expect(reasons['unpriced']?.[0]).toMatch(/^provider\.max_price_usd: this offer has no published price/)
  })

  it('is the answer where the pinned provider cannot be used, whatever the others could do', () => {
    const reasons = refused(planning([dear, { ...cheap, unavailable: 'its breaker is open' }], { pinned: 'cheap' }))
    expect(reasons).toEqual({ dear: ['model: the request names the provider cheap.'], cheap: ['its breaker is open'] })
  })

  it('says which filter of the request shut an offer out', () => {
    const reasons = refused(planning([dear, cheap], { request: asking({ provider: { only: ['cheap'], ignore: ['cheap'] } }) }))
    expect(reasons).toEqual({ dear: ['provider.only: dear is not in it.'], cheap: ['provider.ignore: cheap is in it.'] })
  })
})

describe('the order of routes', () => {
  it.each<[string, RouteRule, string[]]>([
    ['price', {}, ['cheap', 'middle', 'dear', 'unpriced']],
    ['price', { sort: 'price' }, ['cheap', 'middle', 'dear', 'unpriced']],
    ['latency', { sort: 'latency' }, ['unpriced', 'dear', 'cheap', 'middle']],
    ['order', { order: ['middle', 'unpriced'] }, ['middle', 'unpriced', 'cheap', 'dear']],
    ['order', { order: ['absent', 'dear'] }, ['dear', 'cheap', 'middle', 'unpriced']],
  ])('by %s under %o is %o', (strategy, rule, order) => {
    const planned = routed(planning(everyOffer, { rule }))
    expect(planned.order).toEqual(order)
    expect(planned.routing.strategy).toBe(strategy)
  })

  it('breaks a tie in price by latency, then by configured order', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((provider) => offerBy(provider, '0.04')) as [Offer, Offer, Offer]
    expect(routed(planning([candidate(c), candidate(b), candidate(a, latency(10))])).order).toEqual(['a', 'c', 'b'])
  })

  it('compares amounts as money, not as text', () => {
    expect(routed(planning([candidate(offerBy('ten', '10')), candidate(offerBy('nine', '9.0'))])).order).toEqual(['nine', 'ten'])
  })

  it('follows the request before the configuration', () => {
    const rule: RouteRule = { order: ['dear'] }
    expect(routed(planning(everyOffer, { rule, request: asking({ provider: { sort: 'latency' } }) }))).toMatchObject({
      order: ['unpriced', 'dear', 'cheap', 'middle'],
      routing: { strategy: 'latency' },
    })
    expect(routed(planning(everyOffer, { rule, request: asking({ provider: { order: ['unpriced'] } }) }))).toMatchObject({
      order: ['unpriced', 'dear', 'cheap', 'middle'],
      routing: { strategy: 'order' },
    })
  })

  it('keeps the configured rule where the request only filters', () => {
    const request = asking({ provider: { ignore: ['dear'], max_price_usd: '0.04' } })
    expect(routed(planning(everyOffer, { rule: { order: ['middle'] }, request }))).toMatchObject({
      order: ['middle', 'cheap'],
      routing: { strategy: 'order' },
    })
  })

  it('allows a quote of exactly the price limit', () => {
    expect(routed(planning([middle], { request: asking({ provider: { max_price_usd: '0.040' } }) })).order).toEqual(['middle'])
  })

  it('is one route only without fallbacks: the first that can be used', () => {
    const request = asking({ provider: { order: ['dear', 'middle'], allow_fallbacks: false } })
    const planned = routed(planning([{ ...dear, unavailable: 'disabled' }, cheap, middle], { request }))
    expect(planned.order).toEqual(['middle'])
  })

  it('is one route only when a provider is pinned', () => {
    const planned = routed(planning(everyOffer, { pinned: 'dear' }))
    expect(planned.order).toEqual(['dear'])
    expect(planned.routing.strategy).toBe('pinned')
  })
})

describe('weights', () => {
  const rule: RouteRule = { weights: { dear: 9, cheap: 1 } }

  it.each([
    [0, ['dear', 'cheap', 'middle', 'unpriced']],
    [0.89, ['dear', 'cheap', 'middle', 'unpriced']],
    [0.91, ['cheap', 'dear', 'middle', 'unpriced']],
    [1, ['cheap', 'dear', 'middle', 'unpriced']],
  ])('send a roll of %d to %o, and providers without a weight come last by price', (roll, order) => {
    // By price, cheap holds the first tenth of the roll.
    const planned = routed(planning(everyOffer, { rule, roll: 1 - roll }))
    expect(planned.order).toEqual(order)
    expect(planned.routing.strategy).toBe('weights')
  })

  it('share the first rank in proportion over evenly spread rolls', () => {
    const rolls = Array.from({ length: 1000 }, (_, index) => (index + 0.5) / 1000)
    const firsts = rolls.map((roll) => routed(planning(everyOffer, { rule, roll })).order[0])
    expect(firsts.filter((first) => first === 'dear')).toHaveLength(900)
  })

  it('share the second rank in proportion too', () => {
    const three: RouteRule = { weights: { dear: 2, cheap: 1, middle: 1 } }
    const rolls = Array.from({ length: 1200 }, (_, index) => (index + 0.5) / 1200)
    const orders = rolls.map((roll) => routed(planning(everyOffer, { rule: three, roll })).order)
    const afterCheap = orders.filter(([first]) => first === 'cheap').map(([, second]) => second)
    expect(afterCheap).toHaveLength(300)
    expect(afterCheap.filter((second) => second === 'dear')).toHaveLength(200)
  })

  it('put every usable offer in exactly once, whatever the roll', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (roll) => {
        expect(routed(planning(everyOffer, { rule, roll })).order.toSorted()).toEqual(['cheap', 'dear', 'middle', 'unpriced'])
      }),
    )
  })
})

describe('a route', () => {
  it('carries the adapted request, its warnings, its quote, its price rule and its own options', () => {
    const options = { safety: { checkContent: true } }
    const request = asking({ width: 1000, height: 1000, provider_options: { runware: options } })
    const [route] = routed(planning([candidate(runware, { options })], { request })).routes
    expect(route).toMatchObject({
      provider: 'runware',
      model: 'flux-2-pro',
      providerModel: 'bfl:5@1',
      applied: { width: 1008, height: 1008 },
      warnings: [{ field: 'width' }, { field: 'height' }],
      quoted: { amount: '0.03' },
      price: runware.price,
      options,
    })
  })

  it('of an unpriced offer has no quote', () => {
    expect(routed(planning([unpriced])).routes[0]?.quoted).toBeNull()
  })

  it.each([
    [1, 1, [1]],
    [3, 1, [1, 1, 1]],
    [5, 4, [4, 1]],
    [20, 20, [20]],
    [8, 4, [4, 4]],
  ])('splits %d images into batches of at most %d as %o', (n, max, tasks) => {
    const offer = withLimits(bfl, { n: { max } })
    expect(routed(planning([candidate(offer)], { request: asking({ n }) })).routes[0]?.tasks).toEqual(tasks)
  })

  it('is quoted for all images asked', () => {
    expect(routed(planning([middle], { request: asking({ n: 4 }) })).routes[0]?.quoted?.amount).toBe('0.16')
  })
})

it('the routing says of every candidate what it offered and why it was not used', () => {
  const { routing } = routed(planning([{ ...cheap, unavailable: 'its breaker is open' }, dear, unpriced]))
  expect(routing.considered).toEqual([
    { provider: 'dear', eligible: true, fidelity: 'exact', quoted: '0.05', latency_ms: 1000, latency_samples: 5, reasons: [] },
    { provider: 'unpriced', eligible: true, fidelity: 'exact', quoted: null, latency_ms: 500, latency_samples: 5, reasons: [] },
    {
      provider: 'cheap',
      eligible: false,
      fidelity: 'exact',
      quoted: '0.03',
      latency_ms: 9000,
      latency_samples: 5,
      reasons: ['its breaker is open'],
    },
  ])
})

it('the same input gives the same plan', () => {
  const input = planning(everyOffer, { rule: { weights: { dear: 1, cheap: 1, middle: 1 } }, roll: 0.42 })
  expect(plan(input)).toEqual(plan(input))
})

describe('a quote', () => {
  it('lists every offer by price, unpriced ones after, unusable ones last and with their reasons', () => {
    const strict = candidate(vtrix, latency(1))
    const quoted = quote(planning([strict, ...everyOffer], { request: asking({ safety_tolerance: 0 }) }))
    expect(quoted.offers.map((offer) => offer.provider)).toEqual(['cheap', 'middle', 'dear', 'unpriced', 'vtrix'])
    expect(quoted.offers.at(-1)).toMatchObject({ eligible: false, applied: null, cost: null, warnings: [] })
    expect(quoted.offers.at(-1)?.reasons).toHaveLength(1)
  })

  it('says that an offer is unpriced instead of calling it free', () => {
    const [offer] = quote(planning([unpriced])).offers
    expect(offer).toMatchObject({ eligible: true, cost: null })
    expect(offer?.assumptions).toEqual(['This offer has no published price; its cost is known only once it is billed.'])
  })

  it('says it too of an offer that publishes no price for what is asked, and prices other images', () => {
    const noEdits: Offer = { ...bfl, price: { ...perImage('0.05'), edit: null } as Offer['price'] }
    const [offer] = quote(planning([candidate(noEdits)], { references: [stored(512, 512)] })).offers
    expect(offer).toMatchObject({ eligible: true, cost: null })
    expect(offer?.assumptions).toContain('This offer has no published price for such images; its cost is known only once it is billed.')
    expect(quote(planning([candidate(noEdits)])).offers[0]?.assumptions).toEqual([])
  })

  it('names the cheapest and the fastest among those that can be used', () => {
    const quoted = quote(planning([{ ...cheap, unavailable: 'disabled' }, middle, dear, unpriced]))
    expect(quoted).toMatchObject({ object: 'quote', model: 'flux-2-pro', cheapest: 'middle', fastest: 'unpriced' })
    expect(quoted.offers.at(-1)).toMatchObject({ provider: 'cheap', eligible: false, reasons: ['disabled'], cost: { amount: '0.03' } })
  })

  it('names nobody where no price or latency is known', () => {
    expect(quote(planning([candidate(vtrix)]))).toMatchObject({ cheapest: null, fastest: null })
  })

  it('shows what each offer would really be asked for, and the assumptions behind its price', () => {
    const quoted = quote(planning([candidate(bfl), candidate(runware)], { references: [stored(1536, 1024)] }))
    const row = (provider: string) => quoted.offers.find((offer) => offer.provider === provider)
    expect(row('bfl')).toMatchObject({ applied: { reference_images: 1 }, cost: { amount: '0.075' } })
    expect(row('bfl')?.assumptions).toHaveLength(3)
    expect(row('runware')).toMatchObject({ applied: { width: 1536, height: 1024 }, cost: { amount: '0.075' } })
  })
})
