import { describe, expect, test } from 'vitest'
import type { JsonObject, Offer } from '#contract'
import { quote } from '../../../src/core/plan/plan.ts'
import { limits } from '../generation/world.ts'

/** An offer whose provider takes one more reference by an option of its own. */
const offer = {
  provider: 'alpha',
  model: 'model-x',
  providerModel: 'x-1',
  limits: { ...limits, reference_images: { max: 2, forms: ['url'], options: ['blob_path'] } },
  price: {
    kind: 'megapixel',
    first_output: '0.05',
    extra_output: '0.05',
    reference: '0.05',
    rounding: 'up_1048576',
    as_of: '2026-11-01',
    source_url: 'https://vendor.example/prices',
  },
} as Offer

function quoted(references: number, options: JsonObject) {
  const answer = quote({
    request: { model: 'model-x', prompt: 'a lighthouse', width: 1024, height: 1024 },
    references: Array.from({ length: references }, () => ({
      kind: 'url',
      url: 'https://images.example/1.jpg',
      pixels: { width: 1024, height: 1024 },
    })),
    candidates: [{ offer, unavailable: null, latency: null, options }],
    rule: {},
    pinned: null,
    roll: 0,
  })
  const [row] = answer.offers
  return { amount: row?.cost?.amount ?? null, reasons: row?.reasons ?? [] }
}

describe('a reference that a provider’s own option names', () => {
  test('counts in the price like any other', () => {
    expect(quoted(0, {}).amount).toBe('0.05')
    expect(quoted(0, { blob_path: 'a/b.png' }).amount).toBe('0.1')
    expect(quoted(1, { blob_path: 'a/b.png' }).amount).toBe('0.15')
  })

  test('counts for the largest number of references', () => {
    expect(quoted(2, {}).reasons).toEqual([])
    expect(quoted(2, { blob_path: 'a/b.png' }).reasons.join()).toContain('3 given')
  })
})
