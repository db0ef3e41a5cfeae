import { describe, expect, test } from 'vitest'
import type { CostRow, LedgerEntry } from '../../src/core/records.ts'
import { BudgetExceeded } from '../../src/core/ports.ts'
import type { BudgetCheck, CostQuery, Store } from '../../src/core/ports.ts'
import { budget, ledgerEntry, settlement } from './ledger-entries.ts'
import { generationRecord } from './records.ts'

/** What every store must do with the account and the budgets. */
export function ledgerConformance(storeNow: () => Store): void {
  const write = (ledger: readonly LedgerEntry[], check?: BudgetCheck) => storeNow().commit({ ledger, ...(check ? { budget: check } : {}) })
  const used = (period = '2026-11', periodStart = 0) => storeNow().budgetUsed('team', period, periodStart)
  async function costs(query: Partial<CostQuery> = {}): Promise<CostRow[]> {
    const rows: CostRow[] = []
    for await (const page of storeNow().costs({ from: null, to: null, key: null, ...query })) rows.push(...page)
    return rows
  }

  describe('the ledger', () => {
    test('gives back a settlement exactly as it was written, in nanodollars, with what is unknown as null', async () => {
      const billed = settlement('gen_1', 'att_1', { amount: '0.000000001' })
      const unknown = settlement('gen_2', 'att_2', {
        kind: 'unknown',
        amount: null,
        at: 2_000,
        task: { quoted: null, made: null, images: 0 },
      })
      await write([ledgerEntry('gen_1', { kind: 'quoted' }), billed, unknown])
      expect(await costs()).toEqual([
        { ...billed, createdAt: null, metadata: {} },
        { ...unknown, createdAt: null, metadata: {} },
      ])
    })

    test('settles an attempt once, however often and at whatever amount it is handed in', async () => {
      await write([settlement('gen_1', 'att_1', { amount: '0.03' })])
      await Promise.all([
        write([settlement('gen_1', 'att_1', { amount: '0.05' })]),
        write([settlement('gen_1', 'att_1', { kind: 'unknown', amount: null }), settlement('gen_1', 'att_2', { amount: '0.01', at: 5 })]),
      ])
      expect((await costs()).map(({ attemptId, amount }) => [attemptId, amount])).toEqual([
        ['att_2', '0.01'],
        ['att_1', '0.03'],
      ])
    })

    test('takes an amount that no column holds as unknown instead of losing the generation', async () => {
      await write([settlement('gen_1', 'att_1', { amount: '999999999999' })])
      expect(await costs()).toMatchObject([{ kind: 'unknown', amount: null }])
    })

    test('reads a range from its first instant to before its last, one key’s or everybody’s, in order of time', async () => {
      const at = (instant: number, key: string | null) => settlement(`gen_${instant}`, `att_${instant}`, { at: instant, key })
      await write([at(30, 'team'), at(10, 'team'), at(20, null), at(40, 'other')])
      const instants = async (query: Partial<CostQuery>) => (await costs(query)).map((row) => row.at)
      expect(await instants({})).toEqual([10, 20, 30, 40])
      expect(await instants({ from: 20, to: 40 })).toEqual([20, 30])
      expect(await instants({ key: 'team' })).toEqual([10, 30])
      expect(await instants({ from: 41 })).toEqual([])
    })

    test('gives each line the metadata that are asked for, all of them with the time of acceptance, or none', async () => {
      const generations = [
        generationRecord('gen_1', { createdAt: 3, metadata: { team: 'a', job: '1' } }),
        generationRecord('gen_2', { createdAt: 4 }),
      ]
      await storeNow().commit({ generations })
      await write([settlement('gen_1', 'att_1', { at: 10 }), settlement('gen_2', 'att_2', { at: 20 })])
      const seen = async (query: Partial<CostQuery>) => (await costs(query)).map(({ createdAt, metadata }) => [createdAt, metadata])
      expect(await seen({})).toEqual([
        [null, {}],
        [null, {}],
      ])
      expect(await seen({ metadataNames: ['team', 'none'] })).toEqual([
        [null, { team: 'a' }],
        [null, {}],
      ])
      expect(await seen({ metadataNames: ['job', 'team'], metadata: { team: 'a' } })).toEqual([[null, { job: '1', team: 'a' }]])
      expect(await seen({ withGeneration: true })).toEqual([
        [3, { team: 'a', job: '1' }],
        [4, {}],
      ])
    })

    test('reads more than a page, each line once, though many have the same instant and more arrive meanwhile', async () => {
      await write(Array.from({ length: 2_500 }, (_, index) => settlement(`gen_${index}`, `att_${index}`, { at: 7 })))
      const seen: string[] = []
      for await (const page of storeNow().costs({ from: null, to: 100, key: null })) {
        if (seen.length === 0)
          await write([settlement('gen_early', 'att_early', { at: 1 }), settlement('gen_late', 'att_late', { at: 99 })])
        seen.push(...page.map(({ attemptId }) => attemptId))
      }
      expect(seen).toHaveLength(2_501)
      expect(new Set(seen).size).toBe(2_501)
      expect(seen.at(-1)).toBe('att_late')
    })

    test('returns the newest bills of unpriced offers only', async () => {
      const unpriced = (id: string, overrides: Partial<LedgerEntry> = {}) =>
        settlement(`gen_${id}`, `att_${id}`, { ...overrides, task: { quoted: null } })
      await write([
        settlement('gen_1', 'att_1'),
        unpriced('2'),
        unpriced('3', { provider: 'south' }),
        unpriced('4', { kind: 'computed' }),
        unpriced('5', { amount: '0.02' }),
        unpriced('6', { amount: '0.03' }),
      ])
      expect((await storeNow().observedBills('north', 'flux-2-pro', 2)).map(({ amount }) => amount)).toEqual(['0.03', '0.02'])
    })
  })

  describe('a budget in the store', () => {
    const reserve = (id: string, amount: string, limit = '0.21') =>
      write([ledgerEntry(id, { kind: 'reserved', amount, period: '2026-11' })], budget({ limit }))
    const release = (id: string, amount: string) => write([ledgerEntry(id, { kind: 'released', amount, period: '2026-11' })])

    test('that fits 7 takes 7 of 200 units of one turn, says what is left, and writes nothing of the others', async () => {
      const results = await Promise.allSettled(Array.from({ length: 200 }, (_, index) => reserve(`gen_${index}`, '0.03', '0.23')))
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(7)
      const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []))
      expect(refused.every((error) => error instanceof BudgetExceeded && error.message.includes('0.02 of 0.23 USD is left'))).toBe(true)
      expect(await used()).toBe('0.21')
    })

    test('gives back once what is released, however often it is handed in', async () => {
      await reserve('gen_1', '0.21')
      await expect(reserve('gen_2', '0.01')).rejects.toThrow(BudgetExceeded)
      await release('gen_1', '0.06')
      await release('gen_1', '0.06')
      expect(await used()).toBe('0.15')
      await reserve('gen_2', '0.06')
      await expect(reserve('gen_3', '0.000000001')).rejects.toThrow(BudgetExceeded)
    })

    test('begins a period anew, and a late release still belongs to the old one', async () => {
      await reserve('gen_1', '0.21')
      const december = budget({ limit: '0.21', period: '2026-12', periodStart: Date.UTC(2026, 11) })
      await write([ledgerEntry('gen_2', { kind: 'reserved', amount: '0.2', period: '2026-12' })], december)
      await release('gen_1', '0.1')
      expect([await used('2026-11'), await used('2026-12')]).toEqual(['0.11', '0.2'])
    })

    test('that is new begins with what the key has spent since the period began, unknown costs at their quote', async () => {
      await write([
        settlement('gen_0', 'att_0', { at: 99, key: 'team' }),
        settlement('gen_1', 'att_1', { at: 100, key: 'team', amount: '0.05' }),
        settlement('gen_2', 'att_2', { at: 101, key: 'team', kind: 'unknown', amount: null, task: { quoted: '0.02' } }),
        settlement('gen_3', 'att_3', { at: 102, key: 'other' }),
      ])
      expect(await used('2026-11', 100)).toBe('0.07')
      const check = budget({ limit: '0.1', periodStart: 100 })
      await write([ledgerEntry('gen_4', { kind: 'reserved', amount: '0.03', period: '2026-11' })], check)
      expect(await used('2026-11', 100)).toBe('0.1')
      await write([settlement('gen_4', 'att_4', { at: 103, key: 'team', amount: '0.03' })])
      expect(await used('2026-11', 100)).toBe('0.1')
    })

    test('that is new leaves out what was accepted before it began, whenever its cost became known', async () => {
      const accepted = (id: string, createdAt: number) => generationRecord(id, { key: 'team', createdAt })
      await storeNow().commit({ generations: [accepted('gen_before', 99), accepted('gen_since', 100)] })
      await write([
        settlement('gen_before', 'att_1', { at: 130, amount: '0.05' }),
        settlement('gen_before', 'att_2', { at: 140, kind: 'unknown', amount: null, task: { quoted: '0.02' } }),
        settlement('gen_before', 'att_2', { at: 150, kind: 'adjusted', amount: '0.04', task: { quoted: '0.02' } }),
        settlement('gen_since', 'att_3', { at: 160, amount: '0.01' }),
      ])
      expect(await used('2026-11', 100)).toBe('0.01')
      expect(await used('2026-11', 99)).toBe('0.1')
    })

    test('counts what is not reserved in it, once, where it has begun', async () => {
      await write([ledgerEntry('gen_1', { kind: 'reserved', amount: '0.1', period: '2026-11' })], budget({ periodStart: 100 }))
      const alsoIn = ['2026-11', 'total']
      const paid = { ...settlement('gen_2', 'att_2', { at: 101, key: 'team', amount: '0.05' }), alsoIn }
      await write([paid])
      await write([paid])
      const task = { quoted: '0.02' }
      await write([{ ...settlement('gen_3', 'att_3', { at: 102, key: 'team', kind: 'unknown', amount: null, task }), alsoIn }])
      expect(await used('2026-11', 100)).toBe('0.17')
      await write([{ ...settlement('gen_3', 'att_3', { at: 103, key: 'team', kind: 'adjusted', amount: '0.05', task }), alsoIn }])
      expect([await used('2026-11', 100), await used('total', 0), await used('2026-12', 200)]).toEqual(['0.2', '0.1', '0'])
    })

    test('that is new, and one that has begun, count what is unknown at what was held for it', async () => {
      const task = { quoted: '0.02', held: '0.3' }
      const of = (kind: 'unknown' | 'adjusted', amount: string | null, period: string) => ({
        ...settlement('gen_1', 'att_1', { at: 101, key: 'team', kind, amount, task }),
        period,
        alsoIn: ['2026-11'],
      })
      await write([ledgerEntry('gen_0', { kind: 'reserved', amount: '0.1', period: '2026-11' })], budget({ limit: '1', periodStart: 100 }))
      await write([of('unknown', null, '2026-12')])
      expect([await used('2026-11', 100), await used('2026-12', 100)]).toEqual(['0.4', '0.3'])
      await write([of('adjusted', '0.05', 'total')])
      expect([await used('2026-11', 100), await used('2026-12', 100)]).toEqual(['0.15', '0.05'])
    })

    test('that is new counts a cost that came late once: the cost, and no longer the quote', async () => {
      const task = { quoted: '0.02' }
      await write([settlement('gen_1', 'att_1', { at: 101, kind: 'unknown', amount: null, task })])
      expect(await used('2026-11', 100)).toBe('0.02')
      await write([settlement('gen_1', 'att_1', { at: 102, kind: 'adjusted', amount: '0.05', task })])
      expect(await used('2026-11', 100)).toBe('0.05')
      await write([ledgerEntry('gen_2', { kind: 'reserved', amount: '0.03', period: '2026-11' })], budget({ periodStart: 100 }))
      expect(await used('2026-11', 100)).toBe('0.08')
    })
  })
}
