import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { usdFromNano } from '#contract'
import type { CostFilters, Offer } from '#contract'
import type { KeyPolicy } from '../../src/core/billing/budget.ts'
import { createCosts } from '../../src/core/billing/cost-report.ts'
import type { CostQuery, Store } from '../../src/core/ports.ts'
import type { AttemptRecord, LedgerEntry } from '../../src/core/records.ts'
import { limits } from '../core/generation/world.ts'
import { settlement } from './ledger-entries.ts'
import { attemptRecord, generationRecord } from './records.ts'

const DAY = 86_400_000
/** Long over, whatever the clock says. */
const FIRST_DAY = 20_000
const at = (day: number, hours = 0): number => (FIRST_DAY + day) * DAY + hours * 3_600_000
const never = new AbortController().signal

const price = { kind: 'per_image', per_image: '0.04', as_of: '2026-11-01', source_url: 'https://vendor.example/prices' } as const
const offers = ['north', 'south', 'east'].map(
  (provider) => ({ provider, model: 'flux-2-pro', providerModel: provider, limits, price }) as unknown as Offer,
)

const amount = fc.integer({ min: 0, max: 3 }).map((cents) => usdFromNano(BigInt(cents) * 10_000_001n))
const ordinary = fc.record({
  provider: fc.constantFrom('north', 'south'),
  kind: fc.constant('billed' as const),
  isAdjusted: fc.constant(false),
  isSettled: fc.constant(true),
  amount: fc.constantFrom('0.045', '0.000000001'),
  quoted: fc.constantFrom('0.03', '0.04', '0.05', null),
  images: fc.constantFrom(1, 2),
  code: fc.constant(null),
  width: fc.constant(1_024),
  hasReference: fc.constant(false),
  isSeen: fc.constant(true),
  fidelity: fc.constant('exact' as const),
  laterHours: fc.constant(0),
})
const odd = fc.record({
  provider: fc.constantFrom('north', 'south'),
  kind: fc.constantFrom('billed' as const, 'billed' as const, 'computed' as const, 'unknown' as const),
  isAdjusted: fc.boolean(),
  /** An attempt without a line, such as one that could not connect. */
  isSettled: fc.integer({ min: 0, max: 9 }).map((digit) => digit > 0),
  amount,
  quoted: fc.option(amount, { freq: 3 }),
  images: fc.constantFrom(0, 1, 1, 1, 2),
  code: fc.constantFrom(null, 'moderated' as const),
  width: fc.constantFrom(512, 1024),
  hasReference: fc.boolean(),
  isSeen: fc.integer({ min: 0, max: 9 }).map((digit) => digit > 0),
  fidelity: fc.constantFrom('exact' as const, 'near' as const, undefined),
  /** How much later than the attempt before it. */
  laterHours: fc.constantFrom(0, 0, 0, 1, 30),
})
const attempt = fc.oneof({ weight: 9, arbitrary: ordinary }, { weight: 1, arbitrary: odd })
const generation = fc.record({
  beganHours: fc.integer({ min: 0, max: 5 * 24 - 1 }),
  key: fc.constantFrom('team', 'other', null),
  status: fc.constantFrom(...Array.from({ length: 8 }, () => 'succeeded' as const), 'running' as const, null),
  metadata: fc.record(
    { team: fc.constantFrom('a', 'b'), job: fc.uuid(), __proto: fc.constant('x'), 'spät "er"': fc.constant('\u0000') },
    { requiredKeys: [] },
  ),
  attempts: fc.oneof(
    { weight: 3, arbitrary: fc.array(attempt, { minLength: 1, maxLength: 1 }) },
    { weight: 1, arbitrary: fc.array(attempt, { minLength: 2, maxLength: 3 }) },
  ),
})

/** Days of generations of every fate: some open, some whose row is gone, some of several days, providers and lines. */
function history(count: number) {
  const shapes = fc.sample(generation, { numRuns: count, seed: 20_261_129 })
  const ledger: LedgerEntry[] = []
  const generations = shapes.flatMap(({ beganHours, key, status, metadata, attempts }, index) => {
    const id = `gen_${index}`
    const records: AttemptRecord[] = []
    let hours = beganHours
    for (const [number, one] of attempts.entries()) {
      const attemptId = `att_${index}_${number}`
      hours += one.laterHours
      records.push(attemptRecord(attemptId, { endedAt: status === 'running' ? null : 1_000 }))
      if (!one.isSettled) continue
      const { provider, kind, quoted, images, code, width } = one
      const made = { width, height: 512, references: one.hasReference ? [{ width: 64, height: 64 }, null] : [] }
      const task = { quoted, images, code, made: one.isSeen ? made : null, ...(one.fidelity ? { fidelity: one.fidelity } : {}) }
      const line = { at: at(0, hours), key, provider, task }
      ledger.push(settlement(id, attemptId, { ...line, kind, amount: kind === 'unknown' ? null : one.amount }))
      if (kind === 'unknown' && one.isAdjusted) ledger.push(settlement(id, attemptId, { ...line, kind: 'adjusted', amount: one.amount }))
    }
    return status === null ? [] : [generationRecord(id, { key, status, createdAt: at(0, beganHours), metadata, attempts: records })]
  })
  return { generations, ledger }
}

const keys = ['team', 'other', 'crew'].map((name) => ({ name, budgetUsd: null })) as unknown as readonly KeyPolicy[]

const RANGES = [
  { from: null, to: null },
  { from: at(1), to: at(4) },
  { from: at(0, 7), to: at(3, 5) },
  { from: at(2, 1), to: at(2, 9) },
] as const
const GROUPINGS = [
  [],
  ['day'],
  ['provider', 'key'],
  ['megapixels', 'fidelity'],
  ['metadata.team', 'day'],
  ['metadata.none'],
  ['metadata.spät "er"'],
  ['metadata.team', 'metadata.job'],
] as const
const FILTERS: readonly CostFilters[] = [
  {},
  { key: 'team' },
  { provider: 'north', fidelity: 'exact' },
  { megapixels: 1 },
  { metadata: { team: 'b' } },
]

/** What every store must do with days that are over: add them up, and answer exactly as it does from their lines. */
export function costDaysConformance(storeNow: () => Store): void {
  const reportsFrom = (costSums: Store['costSums']) =>
    createCosts({
      store: { costs: (query) => storeNow().costs(query), costSums, budgetUsed: async () => '0' },
      offers: { ofModel: () => offers, standing: () => ({ kind: 'everybody' }), keys: () => keys },
      names: { providers: () => ['north', 'south', 'east'], models: () => ['flux-2-pro'], modelOf: () => null },
      clock: { now: () => at(6) },
      breather: () => async () => {},
    })
  const bySums = reportsFrom((query) => storeNow().costSums(query))
  const byLines = reportsFrom((query) => storeNow().costs(query))

  async function addUp(): Promise<number> {
    let days = 0
    while (await storeNow().addUpDay(at(7), never)) days++
    return days
  }
  async function expectSameReports(): Promise<void> {
    for (const [index, groupBy] of GROUPINGS.entries())
      for (const [turn, filters] of FILTERS.entries()) {
        const asked = { from: null, to: null, ...RANGES[(index + turn) % RANGES.length], groupBy, filters }
        const [sums, lines] = await Promise.all([bySums.report(asked, null), byLines.report(asked, null)])
        expect(sums, JSON.stringify(asked)).toEqual(lines)
      }
  }
  async function rowsRead(query: Partial<CostQuery> = {}): Promise<{ lines: number; sums: number }> {
    const rows = []
    for await (const page of storeNow().costSums({ from: null, to: null, key: null, ...query })) rows.push(...page)
    const sums = rows.filter((row) => 'generations' in row).length
    return { lines: rows.length - sums, sums }
  }
  /** Eight generations alike on each of two days, and one of unknown cost on the first. */
  async function plainDays(): Promise<void> {
    const ids = Array.from({ length: 16 }, (_, index) => `gen_${index}`)
    const metadataOf = (hours: number): Record<string, string> => ({ job: `job ${hours}`, ...(hours % 2 === 0 ? { team: 'a' } : {}) })
    const made = (id: string, hours: number) =>
      generationRecord(id, {
        status: 'succeeded',
        createdAt: at(0, hours),
        metadata: metadataOf(hours),
        attempts: [attemptRecord(`att of ${id}`, { endedAt: 1_000 })],
      })
    const hoursOf = (index: number) => (index < 8 ? index : 24 + index)
    await storeNow().commit({
      generations: [...ids.map((id, index) => made(id, hoursOf(index))), made('gen_lost', 9)],
      ledger: [
        ...ids.map((id, index) => settlement(id, `att of ${id}`, { at: at(0, hoursOf(index)) })),
        settlement('gen_lost', 'att of gen_lost', { at: at(0, 9), kind: 'unknown', amount: null }),
      ],
    })
    expect(await addUp()).toBe(2)
    expect(await rowsRead()).toEqual({ lines: 1, sums: 2 })
  }

  describe('days that are added up', () => {
    test('are read as few sums, by the values of one name of metadata too, and else line by line', async () => {
      await plainDays()
      // Of each day those with a team and those without, beside the one that is lost.
      expect(await rowsRead({ metadataNames: ['team'] })).toEqual({ lines: 1, sums: 4 })
      expect(await rowsRead({ metadata: { team: 'a' } })).toEqual({ lines: 0, sums: 2 })
      expect(await rowsRead({ metadataNames: ['none'] })).toEqual({ lines: 1, sums: 2 })
      expect(await rowsRead({ metadataNames: ['team', 'job'] })).toEqual({ lines: 17, sums: 0 })
      expect(await rowsRead({ withGeneration: true })).toEqual({ lines: 17, sums: 0 })
    })

    test('give the same report as their lines, to the digit, whatever became of each generation and wherever the range begins and ends', async () => {
      const { generations, ledger } = history(800)
      await storeNow().commit({ generations, ledger })
      await expectSameReports()
      expect(await addUp()).toBeGreaterThanOrEqual(4)
      const { sums } = await rowsRead()
      expect(sums).toBeGreaterThan(50)
      await expectSameReports()
    })

    test('are added up whatever a vendor called its task: NUL, halves of surrogates, escapes as text', async () => {
      const names = ['\u0000', '\ud800', 'a\udfffb', String.raw`\\ud800 \\u0000 \\\\udc00`, '\ud83c\udf32', '\ud83c \udf32']
      const attempts = names.map((name, index) => attemptRecord(`att ${index}`, { endedAt: 1_000, providerTaskId: name, vendor: { name } }))
      const ended = { status: 'succeeded', createdAt: at(0, 1), attempts } as const
      await storeNow().commit({
        generations: [generationRecord('gen_0', ended)],
        ledger: attempts.map(({ id }, index) => settlement('gen_0', id, { at: at(0, 1 + index) })),
      })
      expect(await addUp()).toBe(1)
      expect(await rowsRead()).toEqual({ lines: 0, sums: 1 })
      await expectSameReports()
    })

    test('are added up anew once a line of theirs comes late, and until then are read line by line', async () => {
      await plainDays()
      const late = { at: at(0, 9), kind: 'adjusted', amount: '0.05' } as const
      await storeNow().commit({ ledger: [settlement('gen_lost', 'att of gen_lost', late)] })
      expect(await rowsRead()).toEqual({ lines: 10, sums: 1 })
      await expectSameReports()
      expect((await bySums.report({ from: null, to: null, groupBy: [] }, null)).total).toMatchObject({
        spend: '0.53',
        generations: 17,
        unknown_cost_generations: 0,
      })
      expect(await addUp()).toBe(1)
      expect(await rowsRead()).toEqual({ lines: 2, sums: 2 })
      await expectSameReports()
    })

    test('follow a key that gets another name', async () => {
      await storeNow().nameKeys([{ keyHash: 'a', name: 'team' }])
      await plainDays()
      await storeNow().nameKeys([{ keyHash: 'a', name: 'crew' }])
      expect(await rowsRead()).toEqual({ lines: 17, sums: 0 })
      expect(await addUp()).toBe(2)
      const { groups } = await bySums.report({ from: null, to: null, groupBy: ['key'] }, null)
      expect(groups.map(({ group, generations }) => [group['key'], generations])).toEqual([['crew', 17]])
    })

    test('are not those whose end is less than a day ago, nor one that a line came to while it was added up', async () => {
      await plainDays()
      await storeNow().commit({ ledger: [settlement('gen_new', 'att of gen_new', { at: at(3, 23) })] })
      expect(await storeNow().addUpDay(at(5) - 1, never)).toBe(false)
      const adding = storeNow().addUpDay(at(5), never)
      // Behind the claim, which is written first.
      while ((await rowsRead()).lines < 2) await new Promise((resolve) => setImmediate(resolve))
      await storeNow().commit({ ledger: [settlement('gen_newer', 'att of gen_newer', { at: at(3, 1) })] })
      await adding
      await addUp()
      await expectSameReports()
      expect((await rowsRead()).lines).toBe(3)
    })

    test('end with a reason where it is asked to stop, and go on at the next try', async () => {
      await plainDays()
      await storeNow().commit({ ledger: [settlement('gen_new', 'att of gen_new', { at: at(3) })] })
      await expect(storeNow().addUpDay(at(7), AbortSignal.abort())).rejects.toThrow(/abort/i)
      expect(await addUp()).toBe(1)
    })
  })
}
