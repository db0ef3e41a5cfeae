import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Warning } from '#contract'
import { plan, quote, type PlanInput } from '../../../src/core/plan/plan.ts'
import { asking, bfl, candidate, planning, runware, vtrix } from './offers.ts'

const A_WARNING: Warning = { code: 'unsupported', field: 'prompt', requested: 'x', used: null, reason: 'No.' }
const OFFERS = [bfl, runware, vtrix]

const requests = fc.record(
  {
    prompt: fc.constantFrom('', 'A lighthouse at dusk', 'A harbour', 'x'.repeat(40_000)),
    seed: fc.constantFrom(0, 7, '9223372036854775807'),
    width: fc.constantFrom(512, 1000, 1536),
    height: fc.constantFrom(512, 1000, 4096),
    n: fc.constantFrom(1, 3),
    output_format: fc.constantFrom('png', 'webp'),
    safety_tolerance: fc.constantFrom(0, 6),
    on_unsupported: fc.constantFrom('adapt', 'reject'),
    provider: fc.constantFrom({ max_price_usd: '0.03' }, { sort: 'latency' as const }),
    metadata: fc.constantFrom({ team: 'a' }),
  },
  { requiredKeys: ['prompt'] },
)

test('the plan of a request is the same whatever was asked of the same offers before', () => {
  const known = OFFERS.map((offer) => candidate(offer))
  fc.assert(
    fc.property(requests, (given) => {
      const request = asking(given)
      const unknown = OFFERS.map((offer) => candidate(structuredClone(offer)))
      expect(plan(planning(known, { request }))).toEqual(plan(planning(unknown, { request })))
    }),
    { numRuns: 300, seed: 20_261_128 },
  )
})

test('the plan and the quote of a request are the same whatever was found before of the offers that cannot be used', () => {
  const disabled = { unavailable: 'no API key: set BFL_API_KEY' }
  const known = [candidate(bfl, disabled), candidate(runware), candidate(vtrix, disabled)]
  const circumstances = fc.record({
    pinned: fc.constantFrom(null, null, 'runware'),
    budget: fc.constantFrom(null, null, { left: '0.03', allowUnpriced: false }),
    requestWarnings: fc.constantFrom([], [], [A_WARNING]),
    now: fc.constant(Date.UTC(2026, 10, 29)),
  })
  fc.assert(
    fc.property(requests, circumstances, (given, input) => {
      const request = asking(given)
      const unknown = known.map((one) => ({ ...one, offer: structuredClone(one.offer) }))
      const before: PlanInput = { ...planning(known, { request }), ...input }
      const anew = { ...before, candidates: unknown }
      expect(plan(before)).toEqual(plan(anew))
      expect(quote(before)).toEqual(quote(anew))
    }),
    { numRuns: 300, seed: 20_261_129 },
  )
})
