import { describe, expect, test } from 'vitest'
import type { JsonObject, Offer } from '#contract'
import type { Candidate, PlanInput } from '../../../src/core/plan/plan.ts'
import { plan, quote } from '../../../src/core/plan/plan.ts'
import { missingChecks, safetyChecksOn } from '../../../src/core/plan/safety-checks.ts'
import { asking, bfl, candidate, perImage, planning, PRO_PRICE, runware, stored, withLimits } from './offers.ts'

const offer = (provider: string, amount: string): Offer => ({ ...bfl, provider, price: perImage(amount) })
const one = (provider: string, amount: string, state: Partial<Candidate> = {}) => candidate(offer(provider, amount), state)
const routes = (input: PlanInput) => {
  const planned = plan(input)
  return planned.kind === 'routes' ? planned.routes.map(({ provider }) => provider) : []
}

describe('a purchase', () => {
  test('tries a paused provider last, whatever the rule', () => {
    const candidates = [one('cheap', '0.01', { pausedMs: 25_000 }), one('middle', '0.02'), one('dear', '0.03')]
    expect(routes(planning(candidates))).toEqual(['middle', 'dear', 'cheap'])
    expect(routes(planning(candidates, { rule: { order: ['cheap'] } }))).toEqual(['middle', 'dear', 'cheap'])
    expect(routes(planning(candidates, { request: asking({ provider: { allow_fallbacks: false } }) }))).toEqual(['middle'])
  })

  test('still waits at the only provider there is', () => {
    expect(routes(planning([one('cheap', '0.01', { pausedMs: 25_000 })]))).toEqual(['cheap'])
  })
})

describe('the offers of a quote', () => {
  test('are sorted by fidelity, then price; unpriced ones are the last of those that can be used, the others come after all of them', () => {
    const coarse = withLimits(bfl, { output_format: { type: 'enum', values: ['jpeg'], default: 'jpeg' } }).limits
    const far = candidate({ ...offer('far', '0.001'), limits: coarse })
    const unpriced = candidate({ ...offer('unpriced', '0'), price: null })
    const candidates = [one('off', '0.0001', { unavailable: 'switched off' }), unpriced, far, one('dear', '0.05'), one('cheap', '0.01')]
    const quoted = quote(planning(candidates, { request: asking({ output_format: 'png' }) }))
    expect(
      quoted.offers.map(({ provider, eligible, fidelity, cost, observed }) => [
        provider,
        eligible,
        fidelity,
        cost?.amount ?? null,
        observed,
      ]),
    ).toEqual([
      ['cheap', true, 'exact', '0.01', null],
      ['dear', true, 'exact', '0.05', null],
      ['far', true, 'far', '0.001', null],
      ['unpriced', true, 'exact', null, null],
      ['off', false, 'exact', '0.0001', null],
    ])
    expect(quoted.cheapest).toBe('cheap')
  })
})

describe('the route of a quote', () => {
  const { route, considered } = quote(
    planning([
      one('off', '0.01', { unavailable: 'switched off' }),
      one('paused', '0.02', { pausedMs: 24_100 }),
      one('full', '0.03', { isFull: true }),
      one('free', '0.04'),
    ]),
  )

  test('passes over who is off, paused or full, with the reason', () => {
    expect(route).toEqual(['free'])
    expect(considered).toEqual([
      { provider: 'off', reason: 'switched off' },
      { provider: 'paused', reason: expect.stringMatching(/^paused: .*25 s/) },
      { provider: 'full', reason: expect.stringMatching(/^full: /) },
    ])
  })

  test('is the order of a purchase where everybody is free', () => {
    const input = planning([one('dear', '0.05'), one('cheap', '0.01')])
    expect(quote(input)).toMatchObject({ route: routes(input), considered: [] })
  })

  test('leads to a full provider rather than to a paused one, and to a paused one rather than to none', () => {
    const full = one('full', '0.03', { isFull: true })
    const paused = one('paused', '0.02', { pausedMs: 1_000 })
    expect(quote(planning([paused, full])).route).toEqual(['full'])
    expect(quote(planning([paused])).route).toEqual(['paused'])
  })

  test('has one provider where the request does not fall back, and says so of the others', () => {
    const quoted = quote(planning([one('a', '0.01'), one('b', '0.02')], { request: asking({ provider: { allow_fallbacks: false } }) }))
    expect(quoted).toMatchObject({ route: ['a'], considered: [{ provider: 'b', reason: expect.stringContaining('passed over') }] })
  })
})

describe('a quote', () => {
  const measured = (samples: number) => ({ latency: { p50: 5, p95: 9, samples } })

  test('names the fastest from five measured tasks on', () => {
    expect(quote(planning([one('a', '0.01', measured(4))])).fastest).toBeNull()
    expect(quote(planning([one('a', '0.01', measured(5)), one('b', '0.01', measured(4))])).fastest).toBe('a')
  })

  test('says the price of a megapixel, so that unlike sizes can be set side by side', () => {
    const cost = (n: number) => quote(planning([candidate(runware)], { request: asking({ n, width: 1536, height: 1024 }) })).offers[0]?.cost
    expect(cost(1)).toMatchObject({ amount: '0.045', per_megapixel: '0.03' })
    expect(cost(4)).toMatchObject({ amount: '0.18', per_megapixel: '0.03' })
  })
})

describe('a safety check that a provider option switches on', () => {
  const pathsOf = (provider: string) => (provider === 'careful' ? ['safety.check'] : [])
  const checks = (options: Readonly<Record<string, JsonObject>>) => safetyChecksOn(options, pathsOf)
  const on = checks({ careful: { safety: { check: true } } })

  test('makes every offer without it ineligible, in routing and fallback, with the reason', () => {
    const input = planning([one('careful', '0.05'), one('cheap', '0.01')], { safetyChecks: on })
    expect(routes(input)).toEqual(['careful'])
    expect(quote(input).considered).toEqual([
      { provider: 'cheap', reason: 'provider_options.careful.safety.check: it switches a safety check on that cheap does not have.' },
    ])
  })

  test('refuses the request where the provider with the check cannot take it', () => {
    const planned = plan(planning([one('careful', '0.05', { unavailable: 'off' }), one('cheap', '0.01')], { safetyChecks: on }))
    expect(planned.kind).toBe('refused')
  })

  test.each([[{ check: false }], [{ check: 'none' }], [{}]])('is not on with %o', (safety) => {
    expect(checks({ careful: { safety } })).toEqual([])
    expect(checks({ other: { safety: { check: true } } })).toEqual([])
  })

  test('may be named for each of two providers: each uses its own', () => {
    const both = [...on, { provider: 'strict', field: 'provider_options.strict.filter' }]
    expect([missingChecks('careful', both), missingChecks('strict', both), missingChecks('cheap', both).length]).toEqual([[], [], 2])
  })
})

describe('an adaptation that a provider’s options cause', () => {
  const warning = { code: 'adjusted', field: 'provider_options.a.x', requested: 1, used: 2, reason: 'It is so.' } as const
  const input = (request: PlanInput['request']) =>
    planning([one('a', '0.01', { options: { x: 1 } }), one('b', '0.02')], { request, optionWarnings: () => [warning] })

  test('is a warning in the quote as in the purchase', () => {
    const planned = plan(input(asking()))
    expect(planned.kind === 'routes' && planned.routes[0]).toMatchObject({ provider: 'a', warnings: [warning] })
    expect(quote(input(asking())).offers[0]).toMatchObject({ provider: 'a', warnings: [warning] })
  })

  test('refuses the offer where nothing may be adapted, in the quote as in the purchase', () => {
    const strict = input(asking({ on_unsupported: 'reject' }))
    expect(routes(strict)).toEqual(['b'])
    expect(quote(strict).considered).toEqual([{ provider: 'a', reason: expect.stringMatching(/^provider_options\.a\.x: /) }])
  })
})

describe('a reference image that a provider’s option names', () => {
  const reading = withLimits(offer('reads', '0.01'), { reference_images: { max: 2, forms: ['url'], options: ['path'] } })
  const named = candidate({ ...reading, price: PRO_PRICE }, { options: { path: 'uploads/cat.png' } })

  test('counts in the price, as one of unknown size', () => {
    const [quoted] = quote(planning([named], { request: asking({ width: 1024, height: 1024 }) })).offers
    expect(quoted).toMatchObject({
      applied: { reference_images: 1 },
      cost: { amount: '0.045' },
      assumptions: [expect.stringContaining('reference image 1 cannot be seen')],
    })
  })

  test('counts against the limit', () => {
    const references = [stored(8, 8), stored(8, 8)]
    expect(quote(planning([named], { references })).offers[0]?.reasons).toEqual([
      'reference_images: 3 given, and this offer takes at most 2.',
    ])
  })

  test('is never left out: no other provider is used', () => {
    expect(quote(planning([named, one('other', '0.01')]))).toMatchObject({
      route: ['reads'],
      considered: [{ provider: 'other', reason: 'provider_options.reads.path: it names a reference image that only reads can read.' }],
    })
  })
})
