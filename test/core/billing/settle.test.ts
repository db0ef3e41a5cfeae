import { describe, expect, test } from 'vitest'
import { Generation, generationError } from '#contract'
import type { Billed, PriceRule } from '#contract'
import { BLANK_ATTEMPT, blankGeneration } from '../../../src/core/records.ts'
import type { AttemptRecord, GenerationRecord, ImageRecord, Reference, Route } from '../../../src/core/records.ts'
import { costOf, settle } from '../../../src/core/billing/settle.ts'
import { viewOf } from '../../../src/core/present/generation.ts'
import { plainLinks } from '../../../src/core/present/image-link.ts'
import { PRO_PRICE } from '../plan/offers.ts'

const SOURCE = { as_of: '2026-11-21', source_url: 'https://vendor.example/prices' } as const
const perImage: PriceRule = { kind: 'per_image', per_image: '0.04', ...SOURCE }
const perMegapixel: PriceRule = { ...PRO_PRICE, ...SOURCE }
const routeAt = (price: PriceRule | null = perImage, n = 1): Route => ({
  provider: 'alpha',
  model: 'model-x',
  providerModel: 'x-1',
  applied: { n, reference_images: 0, width: 1024, height: 1024 },
  warnings: [],
  tasks: [n],
  quoted: price ? { amount: n === 1 ? '0.04' : '0.08', lines: [] } : null,
  price,
  options: {},
})
const image: ImageRecord = {
  id: 'img_1',
  generationId: 'gen_1',
  sha256: 'ab',
  format: 'png',
  width: 1024,
  height: 1024,
  bytes: 1,
  seed: null,
  flagged: null,
  link: null,
}
const error = (billed: Billed) => generationError({ code: billed === false ? 'moderated' : 'bad_reply', message: 'no', billed }, 'alpha')

interface Ended {
  readonly cost?: string
  readonly billed?: Billed
  readonly images?: number
  readonly route?: Route
  readonly references?: readonly Reference[]
}

function ended({ cost, billed, images = billed === undefined ? 1 : 0, route = routeAt(), references = [] }: Ended) {
  const attempt: AttemptRecord = {
    ...BLANK_ATTEMPT,
    id: 'att_1',
    taskId: 't',
    startedAt: 0,
    endedAt: 1,
    images: route.applied.n,
    cost: cost === undefined ? null : { amount: cost, raw: cost },
    error: billed === undefined ? null : error(billed),
  }
  const record: GenerationRecord = {
    ...blankGeneration(),
    id: 'gen_1',
    createdAt: 0,
    request: { model: 'model-x', prompt: 'a fox' },
    model: 'model-x',
    routing: { strategy: 'price', considered: [] },
    routes: [route],
    references,
    attempts: [attempt],
  }
  const delivered = Array.from({ length: images }, () => image)
  attempt.settled = settle(record, attempt, route, delivered)
  return { record, attempt, route, settled: attempt.settled }
}

describe('the amount the vendor reported', () => {
  test.each([true, 'unknown', undefined] as const)('is kept whatever the end: billed %s', (billed) => {
    expect(ended({ cost: '0.05', ...(billed === undefined ? {} : { billed }) }).settled).toMatchObject({ amount: '0.05', basis: 'billed' })
  })

  test('counts for nothing where the failure provably sold nothing', () => {
    expect(ended({ cost: '0.05', billed: false }).settled).toMatchObject({ amount: '0', basis: 'computed' })
  })

  test('of nothing is billed as nothing, in the attempt and in the whole', () => {
    expect(ended({ cost: '0' }).settled).toMatchObject({ amount: '0', basis: 'billed' })
    expect(ended({ cost: '0', billed: false }).settled).toMatchObject({ amount: '0', basis: 'billed' })
    expect(costOf(ended({ cost: '0' }).record)).toMatchObject({ amount: '0', basis: 'billed' })
    expect(costOf(ended({ billed: false }).record)).toMatchObject({ amount: '0', basis: 'computed' })
  })
})

describe('an attempt whose vendor reports no amount', () => {
  test('is computed by the price rule on what was delivered', () => {
    expect(ended({}).settled).toMatchObject({ amount: '0.04', basis: 'computed' })
    expect(ended({ route: routeAt(perMegapixel) }).settled).toMatchObject({ amount: '0.03', basis: 'computed' })
  })

  test('stays unknown where a part of a batch may have cost something, and never becomes computed', () => {
    expect(ended({ billed: 'unknown', images: 1, route: routeAt(perImage, 2) }).settled).toMatchObject({ amount: null, basis: 'unknown' })
    expect(ended({ billed: true, images: 1, route: routeAt(perImage, 2) }).settled).toMatchObject({ amount: null, basis: 'unknown' })
  })

  test('is computed on the images that came where the other part was refused for nothing', () => {
    expect(ended({ billed: false, images: 1, route: routeAt(perImage, 2) }).settled).toMatchObject({ amount: '0.04', basis: 'computed' })
  })

  test('is unknown where its price depends on a reference that nobody has seen, and only there', () => {
    const references: readonly Reference[] = [{ kind: 'url', url: 'https://example.com/a.png', pixels: null }]
    expect(ended({ references, route: routeAt(perMegapixel) }).settled.basis).toBe('unknown')
    expect(ended({ references }).settled).toMatchObject({ amount: '0.04', basis: 'computed' })
  })

  test('is unknown where a provider’s option names a reference, whose size is not known', () => {
    const route = routeAt(perMegapixel)
    expect(ended({ route: { ...route, applied: { ...route.applied, reference_images: 1 } } }).settled.basis).toBe('unknown')
  })
})

describe('a bill', () => {
  test.each(['0.4', '0.400000000'])('of ten times the quote is believed: %s', (cost) => {
    expect(ended({ cost }).settled).toMatchObject({ amount: cost, basis: 'billed' })
  })

  test.each(['0.400000001', '9.5', '9500000000', '99999999999999999999', '-0.01'])(
    'beyond that is unknown, with the vendor’s amount beside it: %s',
    (cost) => {
      const { settled, record } = ended({ cost })
      expect(settled).toEqual({ amount: null, basis: 'unknown', lines: [], reported: cost })
      const view = Generation.parse(viewOf(record, plainLinks('')))
      expect(view.cost).toMatchObject({ amount: null, basis: 'unknown' })
      expect(view.attempts[0]?.cost).toMatchObject({ amount: null, basis: 'unknown', reported: cost })
    },
  )

  test('without a quote is believed up to 10 USD an image', () => {
    expect(ended({ cost: '20', route: routeAt(null, 2) }).settled).toMatchObject({ amount: '20', basis: 'billed' })
    expect(ended({ cost: '20.01', route: routeAt(null, 2) }).settled).toMatchObject({ basis: 'unknown', reported: '20.01' })
  })
})
