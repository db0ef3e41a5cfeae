import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareUsd, CostReport, sumUsd, usdFromNano, type Offer, type PriceRule } from '#contract'
import type { CostRow, LedgerEntry, SettledTask } from '../../../src/core/records.ts'
import { periodAt } from '../../../src/core/billing/budget.ts'
import type { KeyPolicy } from '../../../src/core/billing/budget.ts'
import type { Standing } from '../../../src/core/keys/key-policy.ts'
import { metadataOf } from '../../../src/core/billing/cost-groups.ts'
import { createCosts } from '../../../src/core/billing/cost-report.ts'
import { observedOf } from '../../../src/core/billing/past-bills.ts'
import type { CostQuery } from '../../../src/core/ports.ts'
import { settlement } from '../../store/ledger-entries.ts'
import { limits } from '../generation/world.ts'
import { PRO_PRICE } from '../plan/offers.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_121 })

const NOON = Date.UTC(2026, 10, 21, 12)
const provenance = { as_of: '2026-11-01', source_url: 'https://vendor.example/prices' }
const perImage = (amount: string): PriceRule => ({ kind: 'per_image', per_image: amount, ...provenance })
const perMegapixel: PriceRule = { ...PRO_PRICE, reference_cap_mp: null, ...provenance }
const offer = (provider: string, price: PriceRule | null): Offer =>
  ({ provider, model: 'flux-2-pro', providerModel: `${provider}:2-pro`, limits, price }) as unknown as Offer
const OFFERS = [offer('north', perImage('0.03')), offer('south', perImage('0.04')), offer('east', perMegapixel), offer('west', null)]

interface Line extends Omit<Partial<LedgerEntry>, 'task'> {
  readonly task?: Partial<SettledTask>
  readonly metadata?: Readonly<Record<string, string>>
}

let count = 0
const line = ({ metadata = {}, generationId = `gen_${++count}`, ...overrides }: Line = {}): CostRow => ({
  ...settlement(generationId, overrides.attemptId ?? `att_${count}`, { at: NOON, ...overrides }),
  createdAt: null,
  metadata,
})

const policy = (name: string, more: Partial<KeyPolicy> = {}): KeyPolicy => ({
  name,
  budgetUsd: null,
  period: 'month',
  models: null,
  providers: null,
  allowUnpriced: false,
  admin: false,
  ...more,
})

/** A key that is not among them limits nothing. */
const standingOf = (keys: readonly KeyPolicy[], name: string | null): Standing => {
  if (name === ENDED) return { kind: 'ended', key: name }
  return name === null ? { kind: 'everybody' } : { kind: 'key', policy: keys.find((key) => key.name === name) ?? policy(name) }
}
const ENDED = 'ended'

/** @param pageRows so few that a group reaches over pages */
function costsOf(rows: readonly CostRow[], keys: readonly KeyPolicy[] = [], used = '0', pageRows = 2) {
  const asked: CostQuery[] = []
  const budgets: unknown[] = []
  let breaths = 0
  async function* read(query: CostQuery) {
    asked.push(query)
    for (let index = 0; index < rows.length; index += pageRows) yield rows.slice(index, index + pageRows)
  }
  const costs = createCosts({
    store: {
      costs: read,
      costSums: read,
      async budgetUsed(...question) {
        budgets.push(question)
        return used
      },
    },
    offers: { ofModel: () => OFFERS, standing: (key) => standingOf(keys, key), keys: () => keys },
    names: { providers: () => ['north', 'south', 'east', 'west'], models: () => ['flux-2-pro'], modelOf: () => null },
    clock: { now: () => NOON },
    breather: () => async () => void breaths++,
  })
  return {
    costs,
    breaths: () => breaths,
    asked,
    budgets,
    report: (groupBy: readonly string[] = [], key: string | null = null) => costs.report({ from: null, to: null, groupBy }, key),
  }
}

const totalOf = async (...rows: CostRow[]) => (await costsOf(rows).report()).total
const failedTask = (code: SettledTask['code'], quoted: string | null = '0.03') =>
  ({ status: 'failed', code, images: 0, made: null, quoted }) as const

describe('the figures of a report', () => {
  test('of nothing are nothing, and nothing is divided by it', async () => {
    const report = await costsOf([]).report(['provider'])
    expect(report).toMatchObject({
      groups: [],
      total: { spend: '0', generations: 0, images: 0, cost_per_image: null, drift: { percent: null }, what_if: [] },
    })
    expect(CostReport.parse(report)).toEqual(report)
  })

  test('spread all that was paid, failures included, over the images that came', async () => {
    const total = await totalOf(
      line(),
      line({ amount: '0.05', task: { images: 2 } }),
      line({ amount: '0.02', task: failedTask('provider_rejected') }),
    )
    expect(total).toMatchObject({ spend: '0.1', generations: 3, attempts: 3, images: 3, cost_per_image: '0.033333333' })
  })

  test('divide by no image whose cost is not known, and call an average of only such images unknown, not 0', async () => {
    const lost = { amount: null, kind: 'unknown', provider: 'west' } as const
    const report = await costsOf([line(), line({ ...lost, task: { images: 2 } }), line({ ...lost, attemptId: 'late' })]).report([
      'provider',
    ])
    expect(report.total).toMatchObject({ spend: '0.03', images: 4, cost_per_image: '0.03' })
    expect(report.groups).toMatchObject([{ cost_per_image: '0.03' }, { group: { provider: 'west' }, images: 3, cost_per_image: null }])
    const settled = line({ amount: '0.05', kind: 'adjusted', provider: 'west', attemptId: 'late' })
    expect(await totalOf(line(), line({ ...lost, attemptId: 'late' }), settled)).toMatchObject({ images: 2, cost_per_image: '0.04' })
  })

  test('show waste by its cause, and keep what may have been billed apart from what was', async () => {
    const total = await totalOf(
      line({ amount: '0.01', task: failedTask('provider_rejected') }),
      line({ amount: '0.02', task: failedTask('moderated') }),
      line({ kind: 'unknown', amount: null, task: failedTask('outcome_unknown') }),
      line({ kind: 'unknown', amount: null, task: failedTask('outcome_unknown', null) }),
      line({ kind: 'computed', amount: '0', task: failedTask('rate_limited') }),
    )
    expect(total.wasted).toEqual({ amount: '0.03', failed: '0.01', moderated: '0.02', unknown: '0.03' })
    expect(total).toMatchObject({ spend: '0.03', unknown_cost_generations: 2 })
  })

  test('count a generation once, whatever it took, and once in each group it has a part in', async () => {
    const rows = [
      line({ generationId: 'gen_a', attemptId: 'att_a1', amount: '0', kind: 'computed', task: failedTask('rate_limited') }),
      line({ generationId: 'gen_a', attemptId: 'att_a2', provider: 'south' }),
      line({ generationId: 'gen_a', attemptId: 'att_a3', provider: 'south' }),
    ]
    const report = await costsOf(rows).report(['provider'])
    expect(report.total).toMatchObject({ generations: 1, attempts: 3 })
    expect(report.groups.map(({ group, generations, attempts }) => [group['provider'], generations, attempts])).toEqual([
      ['north', 1, 1],
      ['south', 1, 2],
    ])
  })

  test('take an adjustment for what was unknown before it', async () => {
    const unknown = line({ generationId: 'gen_b', attemptId: 'att_b', kind: 'unknown', amount: null, task: failedTask('canceled') })
    const adjusted = line({ generationId: 'gen_b', attemptId: 'att_b', kind: 'adjusted', amount: '0.05', task: failedTask('canceled') })
    expect(await totalOf(unknown, adjusted)).toMatchObject({
      spend: '0.05',
      attempts: 1,
      generations: 1,
      unknown_cost_generations: 0,
      wasted: { failed: '0.05', unknown: '0' },
    })
  })

  test('compare quotes only with what the vendor billed itself', async () => {
    const total = await totalOf(
      line({ amount: '0.045' }),
      line({ amount: '0.03' }),
      line({ kind: 'computed', amount: '9' }),
      line({ amount: '9', task: { quoted: null } }),
      line({ kind: 'unknown', amount: null }),
    )
    expect(total.drift).toEqual({ quoted: '0.06', billed: '0.075', amount: '0.015', percent: '+25.0%' })
  })
})

describe('groups', () => {
  test('are by provider, model, UTC day, key and metadata, in order, what has none last', async () => {
    const rows = [
      line({ at: Date.UTC(2026, 10, 21, 23, 59, 59, 999), metadata: { project: 'x' }, key: null }),
      line({ at: Date.UTC(2026, 10, 22), metadata: {} }),
      line({ at: Date.UTC(2026, 10, 21), metadata: {} }),
      line({ at: Date.UTC(2026, 10, 21), metadata: { project: 'x' }, key: null, amount: '0.07' }),
    ]
    const { report, asked } = costsOf(rows)
    const { groups, group_by } = await report(['day', 'metadata.project', 'key', 'provider', 'model'])
    const rest = { provider: 'north', model: 'flux-2-pro' }
    expect(groups.map(({ group, spend }) => [group, spend])).toEqual([
      [{ day: '2026-11-21', 'metadata.project': 'x', key: null, ...rest }, '0.1'],
      [{ day: '2026-11-21', 'metadata.project': null, key: 'team', ...rest }, '0.03'],
      [{ day: '2026-11-22', 'metadata.project': null, key: 'team', ...rest }, '0.03'],
    ])
    expect([group_by.length, asked[0]?.withGeneration, asked[0]?.metadataNames]).toEqual([5, undefined, ['project']])
  })

  test('add up to the total line by line, and a cost that is known on another day is not unknown in it', async () => {
    const unknown = line({ at: Date.UTC(2026, 10, 21), generationId: 'gen_b', attemptId: 'att_b', kind: 'unknown', amount: null })
    const adjusted = line({ at: Date.UTC(2026, 10, 22), generationId: 'gen_b', attemptId: 'att_b', kind: 'adjusted', amount: '0.05' })
    const other = line({ at: Date.UTC(2026, 10, 22), amount: '0.02' })
    const rows = [unknown, adjusted, other]
    const { groups, total } = await costsOf(rows).report(['day'])
    expect(groups.map(({ spend, attempts, unknown_cost_generations: open }) => [spend, attempts, open])).toEqual([
      ['0', 1, 1],
      ['0.07', 1, 0],
    ])
    expect(total).toEqual((await costsOf(rows).report([])).total)
    expect(total).toMatchObject({ spend: '0.07', attempts: 2, generations: 2, unknown_cost_generations: 0 })
  })

  test('take two metadata each by its own name', async () => {
    const { groups } = await costsOf([line({ metadata: { a: '1', 'a.b': '2' } })]).report(['metadata.a', 'provider', 'metadata.a.b'])
    expect(groups[0]?.group).toEqual({ 'metadata.a': '1', provider: 'north', 'metadata.a.b': '2' })
    expect(metadataOf(['metadata.a', 'provider', 'metadata.a.b'])).toEqual(['a', 'a.b'])
  })

  test('are by calendar month in UTC, size class and fidelity too, sizes in order of their number', async () => {
    const at = (instant: number, megapixels: number, fidelity: 'exact' | 'far') => line({ at: instant, task: { megapixels, fidelity } })
    const { groups } = await costsOf([
      at(Date.UTC(2026, 9, 31, 23, 59, 59, 999), 10, 'exact'),
      at(Date.UTC(2026, 10, 1), 9, 'far'),
      at(Date.UTC(2026, 10, 30), 10, 'exact'),
      line({ task: { made: { width: 1536, height: 1024, references: [] } } }),
      line({ task: { made: null } }),
    ]).report(['month', 'megapixels', 'fidelity'])
    expect(groups.map(({ group }) => Object.values(group))).toEqual([
      ['2026-10', '10', 'exact'],
      ['2026-11', '2', null],
      ['2026-11', '9', 'far'],
      ['2026-11', '10', 'exact'],
      ['2026-11', null, null],
    ])
  })

  test('are refused where there would be more than anybody reads', async () => {
    const rows = Array.from({ length: 2_001 }, (_, index) => line({ metadata: { id: String(index) } }))
    await expect(costsOf(rows).report(['metadata.id'])).rejects.toThrow(/more than 2000 groups.*format=csv/)
  })

  test('of very many generations become one total in turns', async () => {
    const rows = Array.from({ length: 60_000 }, (_, index) => line({ metadata: { id: String(index % 1_900) } }))
    const { report, breaths } = costsOf(rows, [], '0', 5_000)
    const { total } = await report(['metadata.id'])
    expect(total.generations).toBe(60_000)
    // Groups may be small: what is asked after is each of the generations that the total takes from them.
    expect(breaths()).toBeGreaterThan(60_000)
  })

  test('of very many unknown costs are added up in turns', async () => {
    const lost = { amount: null, kind: 'unknown', task: failedTask('outcome_unknown') } as const
    const rows = Array.from({ length: 5_000 }, (_, index) => line({ ...lost, attemptId: `att_${index}` }))
    const { report, breaths } = costsOf(rows)
    const { total } = await report(['provider'])
    expect(total).toMatchObject({ unknown_cost_generations: 5_000, wasted: { unknown: '150' } })
    // Each generation goes into the total, and each unknown cost into the figures of its group and of the total.
    expect(breaths()).toBeGreaterThan(3 * 5_000)
  })

  test('add up to the total in spend, attempts and images, whatever happened', async () => {
    const nano = fc.integer({ min: 0, max: 2_000_000_000 }).map((value) => usdFromNano(BigInt(value)))
    const rows = fc.array(
      fc.record({
        provider: fc.constantFrom('north', 'south', 'east', 'west'),
        amount: fc.option(nano),
        images: fc.integer({ min: 0, max: 3 }),
        code: fc.constantFrom(null, 'moderated' as const),
        width: fc.integer({ min: 64, max: 2048 }),
      }),
      { maxLength: 20 },
    )
    await fc.assert(
      fc.asyncProperty(rows, async (shapes) => {
        const lines = shapes.map(({ provider, amount, images, code, width }) =>
          line({
            provider,
            amount,
            kind: amount === null ? 'unknown' : 'billed',
            task: { images, code, made: { width, height: 512, references: [] } },
          }),
        )
        const report = await costsOf(lines).report(['provider'])
        expect(sumUsd(report.groups.map(({ spend }) => spend))).toBe(report.total.spend)
        expect(sumUsd(report.groups.map(({ wasted }) => wasted.amount))).toBe(report.total.wasted.amount)
        expect(report.groups.reduce((sum, { attempts }) => sum + attempts, 0)).toBe(report.total.attempts)
        expect(report.groups.reduce((sum, { images }) => sum + images, 0)).toBe(report.total.images)
        expect(compareUsd(report.total.wasted.amount, report.total.spend)).toBeLessThanOrEqual(0)
        for (const row of report.total.what_if) expect(row.images + row.not_priced + row.cost_unknown).toBe(report.total.images)
        expect(CostReport.safeParse(report).success).toBe(true)
      }),
      { numRuns: 60 },
    )
  })
})

describe('the cost of the same images elsewhere', () => {
  const covered = { not_priced: 0, full_coverage: true }

  test('is priced from what was made, cheapest first, and says what is not known', async () => {
    const total = await totalOf(
      line({ amount: '0.03' }),
      line({ amount: '0.06', task: { images: 2, made: { width: 1024, height: 1536, references: [{ width: 1024, height: 1025 }] } } }),
      line({ kind: 'unknown', amount: null }),
      line({ amount: '0.5', task: failedTask('moderated') }),
    )
    const leavesOut = [{ images: 1, reason: 'their own cost is not known' }]
    const common = { spent: '0.09', images: 3, cost_unknown: 1, ...covered, leaves_out: leavesOut }
    expect(total.what_if).toEqual([
      { provider: 'north', amount: '0.09', vs_spent: '+0.0%', rank: 1, vs_cheapest: '+0.0%', ...common },
      { provider: 'south', amount: '0.12', vs_spent: '+33.3%', rank: 2, vs_cheapest: '+33.3%', ...common },
      // 0.03 + 2 × (0.03 + 0.015 + 2 × 0.015)
      { provider: 'east', amount: '0.18', vs_spent: '+100.0%', rank: 3, vs_cheapest: '+100.0%', ...common },
      {
        provider: 'west',
        amount: null,
        spent: '0',
        vs_spent: null,
        images: 0,
        not_priced: 3,
        cost_unknown: 1,
        full_coverage: false,
        rank: null,
        vs_cheapest: null,
        leaves_out: [{ images: 3, reason: 'flux-2-pro has no published price there' }, ...leavesOut],
      },
    ])
  })

  test('counts what already ran at a provider at what it cost there, and leaves out the one where everything ran', async () => {
    const total = await totalOf(line({ amount: '0.03' }), line({ provider: 'south', amount: '0.05' }))
    expect(total.what_if.map(({ provider, amount }) => [provider, amount])).toEqual([
      ['east', '0.06'],
      ['north', '0.06'],
      ['south', '0.09'],
      ['west', null],
    ])
    expect((await totalOf(line())).what_if.map(({ provider }) => provider)).toEqual(['east', 'south', 'west'])
  })

  test('names the cheapest provider and by how much, the one where everything ran included', async () => {
    expect((await totalOf(line({ amount: '0.02' }))).cheapest).toEqual({
      provider: 'north',
      amount: '0.02',
      spent: '0.02',
      saving: '0',
      vs_spent: '+0.0%',
      images: 1,
      next: { provider: 'east', amount: '0.03', difference: '0.01', vs_cheapest: '+50.0%' },
    })
    expect((await totalOf(line({ provider: 'south', amount: '0.05' }))).cheapest).toMatchObject({
      provider: 'east',
      amount: '0.03',
      spent: '0.05',
      saving: '0.02',
      vs_spent: '-40.0%',
      next: { provider: 'north', difference: '0', vs_cheapest: '+0.0%' },
    })
    expect((await costsOf([]).report()).cheapest).toBeNull()
  })

  test('ranks a provider that leaves images out behind all that cover them, however little the rest would cost there', async () => {
    const four = Array.from({ length: 5 }, () => ({ width: 64, height: 64 }))
    const total = await totalOf(
      line({ provider: 'south', amount: '9' }),
      line({ provider: 'south', amount: '9', task: { made: { width: 1024, height: 1024, references: four } } }),
    )
    expect(total.what_if.map(({ provider, images, rank, vs_cheapest }) => [provider, images, rank, vs_cheapest])).toEqual([
      ['east', 1, null, null],
      ['north', 1, null, null],
      ['west', 0, null, null],
    ])
    expect(total.what_if[0]?.leaves_out).toEqual([{ images: 1, reason: 'flux-2-pro takes at most 4 reference images there' }])
    expect(total.cheapest).toMatchObject({ provider: 'south', images: 2, next: null })
  })

  test('is not known for a price that depends on a reference nobody saw, more references than are taken, or images of several sizes', async () => {
    const made = (references: NonNullable<SettledTask['made']>['references']) => ({ width: 1024, height: 1024, references })
    const total = await totalOf(
      line({ task: { made: made([null]) } }),
      line({ task: { made: made(Array.from({ length: 5 }, () => ({ width: 64, height: 64 }))) } }),
      line({ task: { made: null } }),
    )
    expect(total.what_if.map(({ provider, images, not_priced }) => [provider, images, not_priced])).toEqual([
      ['north', 2, 1],
      ['south', 1, 2],
      ['east', 0, 3],
      ['west', 0, 3],
    ])
    expect(total.what_if[0]?.leaves_out).toEqual([{ images: 1, reason: 'images of several sizes in one task' }])
  })

  test('leaves out an image that the other would make in another size, and prices one that is off by a step', async () => {
    const elsewhere = async (side: number) =>
      (await totalOf(line({ task: { made: { width: side, height: side, references: [] } } }))).what_if.find(
        ({ provider }) => provider === 'east',
      )
    // Its largest is 2048×2048: 4 megapixels.
    expect(await elsewhere(4096)).toMatchObject({
      amount: null,
      rank: null,
      leaves_out: [{ images: 1, reason: expect.stringMatching(/^4096×4096 of \S+ is made as 2048×2048 there$/) }],
    })
    expect(await elsewhere(2049)).toMatchObject({ amount: '0.075', leaves_out: [] })
  })
})

describe('the view of a key', () => {
  const keys = [policy('team', { budgetUsd: '5' }), policy('other', { budgetUsd: '1', period: 'day' }), policy('boss', { admin: true })]

  test('is its own spend and budget; an admin key and a gateway without keys see everybody’s', async () => {
    const { report, asked, budgets } = costsOf([], keys, '2')
    const seen = [await report([], 'team'), await report([], 'boss'), await report([], null), await report([], 'removed')]
    expect(asked.map(({ key }) => key)).toEqual(['team', null, null, 'removed'])
    expect(seen.map(({ key, budgets }) => [key, budgets.map((budget) => `${budget.key} ${budget.left} ${budget.renews_at}`)])).toEqual([
      ['team', ['team 3 2026-12-01T00:00:00.000Z']],
      [null, ['team 3 2026-12-01T00:00:00.000Z', 'other -1 2026-11-22T00:00:00.000Z']],
      [null, ['team 3 2026-12-01T00:00:00.000Z', 'other -1 2026-11-22T00:00:00.000Z']],
      ['removed', []],
    ])
    expect(budgets[0]).toEqual(['team', '2026-11', Date.UTC(2026, 10)])
  })

  test('shows what is left of its budget, and null without one', async () => {
    const { costs } = costsOf([], keys, '2')
    expect([await costs.budgetLeft('team'), await costs.budgetLeft('boss'), await costs.budgetLeft(null)]).toEqual(['3', null, null])
  })
})

describe('a filter', () => {
  const keys = [policy('team'), policy('boss', { admin: true })]
  const filtered = (rows: readonly CostRow[], filters: object, key: string | null = null) =>
    costsOf(rows, keys).costs.report({ from: null, to: null, groupBy: [], filters }, key)

  test('by size class and fidelity leaves the rest out of every figure', async () => {
    const rows = [line({ task: { megapixels: 2, fidelity: 'near' } }), line({ task: { megapixels: 2, fidelity: 'exact' } }), line()]
    expect(await filtered(rows, { megapixels: 2 })).toMatchObject({ total: { count: 2 }, filters: { megapixels: 2 } })
    expect((await filtered(rows, { megapixels: 2, fidelity: 'near' })).total).toMatchObject({ count: 1, spend: '0.03' })
    expect((await filtered(rows, { megapixels: 1 })).total.count).toBe(1)
  })

  test.each([
    [{ provider: 'nroth' }, /^provider: there is no provider "nroth".*did you mean "north"\?/],
    [{ provider: 'acme-images' }, /there are north, south, east, west/],
    [{ model: 'flux2-pro' }, /did you mean "flux-2-pro"/],
    [{ key: 'taem' }, /did you mean "team"/],
  ])('that names what does not exist is refused with the nearest right name: %j', async (filters, message) => {
    await expect(filtered([], filters)).rejects.toThrow(message)
  })

  test('by a name that was removed still finds what was bought under it', async () => {
    expect((await filtered([line({ provider: 'gone' })], { provider: 'gone' })).total.count).toBe(1)
  })

  test('by another key is refused for a key that sees its own costs, whether that key exists or not', async () => {
    for (const key of ['boss', 'nobody']) await expect(filtered([], { key }, 'team')).rejects.toThrow(/the key team sees its own costs/)
    expect(await filtered([line()], { key: 'team' }, 'boss')).toMatchObject({ key: 'team', total: { count: 1 } })
  })
})

describe('budget periods', () => {
  test.each([
    ['day', Date.UTC(2024, 1, 29, 23, 59, 59, 999), '2024-02-29', Date.UTC(2024, 1, 29), Date.UTC(2024, 2, 1)],
    ['day', Date.UTC(2024, 11, 31), '2024-12-31', Date.UTC(2024, 11, 31), Date.UTC(2025, 0, 1)],
    ['month', Date.UTC(2024, 11, 31, 23), '2024-12', Date.UTC(2024, 11, 1), Date.UTC(2025, 0, 1)],
    ['month', Date.UTC(2025, 0, 1), '2025-01', Date.UTC(2025, 0, 1), Date.UTC(2025, 1, 1)],
    ['total', Date.UTC(2025, 0, 1), 'total', 0, null],
  ] as const)('a %s is UTC: %d', (kind, instant, period, periodStart, renewsAt) => {
    expect(periodAt(kind, instant)).toEqual({ period, periodStart, renewsAt })
  })
})

describe('the observed bill of an unpriced offer', () => {
  const bill = (amount: string, images: number, more: object = {}) => ({
    key: null,
    amount,
    images,
    made: { width: 1024, height: 1024, references: [] },
    at: NOON,
    ...more,
  })
  const asked = { width: 1024, height: 1024, n: 3, reference_images: 0 }

  test('is the average of the same size and number of references, for as many images as are asked', () => {
    const bills = [
      bill('0.02', 1),
      bill('0.08', 3),
      bill('9', 1, { made: { width: 512, height: 512, references: [] } }),
      bill('9', 1, { made: null }),
      bill('9', 1, { made: { width: 1024, height: 1024, references: [null] } }),
    ]
    expect(observedOf(bills, asked, 0)).toEqual({ amount: '0.075', samples: 2, as_of: '2026-11-21T12:00:00.000Z' })
    expect(observedOf(bills, asked, 1)).toMatchObject({ amount: '27', samples: 1 })
  })

  test('is nothing where nothing like it was billed', () => {
    expect(observedOf([bill('0.02', 0)], asked, 0)).toBeNull()
    expect(observedOf([bill('0.02', 1, { made: null })], { n: 1, reference_images: 0 }, 0)).toBeNull()
  })
})
