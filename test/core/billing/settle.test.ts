import { describe, expect, test } from 'vitest'
import { Generation, generationError, sumUsd } from '#contract'
import type { Billed, PriceRule, VendorCost } from '#contract'
import { BLANK_ATTEMPT, blankGeneration } from '../../../src/core/blank-records.ts'
import type { AttemptRecord, GenerationRecord, ImageRecord, Reference, Route } from '../../../src/core/records.ts'
import { settledEntry } from '../../../src/core/billing/ledger.ts'
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
  readonly counted?: Exclude<VendorCost, { amount: string }>
  readonly billed?: Billed
  readonly images?: number
  readonly route?: Route
  readonly references?: readonly Reference[]
}

function ended({ cost, counted, billed, images = billed === undefined ? 1 : 0, route = routeAt(), references = [] }: Ended) {
  const attempt: AttemptRecord = {
    ...BLANK_ATTEMPT,
    id: 'att_1',
    taskId: 't',
    startedAt: 0,
    endedAt: 1,
    images: route.applied.n,
    cost: counted ?? (cost === undefined ? null : { amount: cost, raw: cost }),
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

describe('the count of a vendor', () => {
  const tokens: PriceRule = {
    kind: 'token',
    per_million: { text_input: '5', image_input: null, cached_input: null, image_output: '30', text_output: null },
    output_tokens: null,
    reference_tokens: null,
    ...SOURCE,
  }

  test('is metered: its count at our price, with a line for each kind of token', () => {
    const { settled, record } = ended({ counted: { tokens: { text_input: 10, image_output: 1056 }, raw: null }, route: routeAt(tokens) })
    expect(settled).toMatchObject({ amount: '0.03173', basis: 'metered' })
    expect(settled.lines.map(({ what, quantity }) => [what, quantity])).toEqual([
      ['text input token', 10],
      ['image output token', 1056],
    ])
    expect(costOf(record)).toMatchObject({ amount: '0.03173', basis: 'metered' })
    expect(settledEntry(record, { ...record.attempts[0], settled } as AttemptRecord, routeAt(tokens), 1)).toMatchObject({
      kind: 'billed',
      task: { isMetered: true },
    })
  })

  test('is unknown where our price has no amount for it, and where tokens are sold and none are counted', () => {
    expect(ended({ counted: { tokens: { image_input: 5 }, raw: null }, route: routeAt(tokens) }).settled.basis).toBe('unknown')
    expect(ended({ route: routeAt(tokens) }).settled.basis).toBe('unknown')
  })

  test('in units of its own is metered where one has a price, and else computed', () => {
    const counted = { units: '1.5', raw: '1.5' }
    expect(ended({ counted, route: routeAt({ ...perImage, unit_amount: '0.03' }) }).settled).toMatchObject({
      amount: '0.045',
      basis: 'metered',
    })
    expect(ended({ counted }).settled).toMatchObject({ amount: '0.04', basis: 'computed' })
  })

  test('beyond ten times the quote is not believed either', () => {
    const counted = { tokens: { image_output: 1_000_000 }, raw: null }
    expect(ended({ counted, route: routeAt(tokens) }).settled).toMatchObject({ amount: null, reported: '30' })
  })
})

describe('a surcharge', () => {
  const route = { ...routeAt(), surcharge: '5.5' }

  test.each([
    [{ cost: '0.05' }, '0.05275', 'billed'],
    [{}, '0.0422', 'computed'],
    [{ cost: '0' }, '0', 'billed'],
    [{ billed: false as const }, '0', 'computed'],
  ])('is a line of its own in the cost of %o, whose basis stays that of the rest', (what, amount, basis) => {
    const { settled, record } = ended({ ...what, route })
    expect(settled).toMatchObject({ amount, basis })
    expect(sumUsd(settled.lines.map((line) => line.amount))).toBe(amount)
    const line = settled.lines.find(({ what: name }) => name.startsWith('surcharge'))
    const entry = settledEntry(record, { ...record.attempts[0], settled } as AttemptRecord, route, 1)
    expect(entry.task?.surcharge).toBe(line?.amount)
  })
})
