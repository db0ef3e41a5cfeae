import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import type { Readable } from 'node:stream'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nanoFromUsd, usdFromNano } from '#contract'
import type { LedgerEntry } from '../../../src/core/records.ts'
import { BudgetExceeded } from '../../../src/core/ports.ts'
import type { BudgetCheck, Store } from '../../../src/core/ports.ts'
import { migrate } from '../../../src/store/sqlite/migrations.ts'
import { DATABASE_FILE } from '../../../src/store/sqlite/open.ts'
import { openStore, sqliteStore } from '../../../src/store/sqlite/store.ts'
import { settledLines } from '../../../src/store/sqlite/settled.ts'
import { budget, ledgerEntry, settlement } from '../ledger-entries.ts'

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_121 })

let database: DatabaseSync
let store: Store
beforeEach(() => {
  database = new DatabaseSync(':memory:')
  migrate(database)
  store = sqliteStore(database)
})
afterEach(() => store.close())

const write = (ledger: readonly LedgerEntry[], check?: BudgetCheck) => store.commit({ ledger, ...(check ? { budget: check } : {}) })
const used = () => store.budgetUsed('team', '2026-11', 0)

describe('the ledger', () => {
  test('keeps amounts as integers of nanodollars', async () => {
    await write([settlement('gen_1', 'att_1', { amount: '0.000000001' })])
    expect(database.prepare(`SELECT typeof(amount) AS type, amount FROM ledger WHERE kind = 'billed'`).get()).toEqual({
      type: 'integer',
      amount: 1,
    })
  })

  test('finds a range through an index instead of reading everything', () => {
    const plan = database
      .prepare(
        `EXPLAIN QUERY PLAN SELECT * FROM ledger AS l WHERE ${settledLines('l')} AND (l.at, l.seq) > (?, ?) ORDER BY l.at, l.seq LIMIT 5`,
      )
      .all()
      .map((row) => String(row['detail']))
    expect(plan).toEqual([expect.stringMatching(/^SEARCH l USING INDEX ledger_costs/)])
  })
})

describe('a budget in the store', () => {
  const reserve = (id: string, amount: string, limit = '0.21') =>
    write([ledgerEntry(id, { kind: 'reserved', amount, period: '2026-11' })], budget({ limit }))
  const release = (id: string, amount: string) => write([ledgerEntry(id, { kind: 'released', amount, period: '2026-11' })])

  test('is never overshot and always is what its lines add up to, in whatever order they come', async () => {
    const step = fc.record({
      id: fc.integer({ min: 0, max: 12 }),
      cents: fc.integer({ min: 0, max: 9 }),
      kind: fc.constantFrom('reserved' as const, 'released' as const),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 8 }), { maxLength: 8 }), async (turns) => {
        database.exec('DELETE FROM ledger; DELETE FROM budgets')
        const held = new Map<number, bigint>()
        for (const turn of turns) {
          await Promise.all(
            turn.map(async ({ id, cents, kind }) => {
              const amount = usdFromNano(BigInt(cents) * 10_000_000n)
              if (kind === 'released') return release(`gen_${id}`, usdFromNano(held.get(id) ?? 0n))
              await reserve(`gen_${id}`, amount).then(
                () => held.set(id, (held.get(id) ?? 0n) + nanoFromUsd(amount)),
                (error: unknown) => expect(error).toBeInstanceOf(BudgetExceeded),
              )
            }),
          )
          const { sum } =
            database.prepare(`SELECT coalesce(sum(CASE kind WHEN 'reserved' THEN amount ELSE -amount END), 0) AS sum FROM ledger`).get() ??
            {}
          const now = nanoFromUsd(await used())
          expect(now).toBe(BigInt(Number(sum)))
          expect(now <= 210_000_000n).toBe(true)
        }
      }),
      { numRuns: 40 },
    )
  })
})

describe('a ledger whose process was killed', () => {
  let directory: string
  let child: ChildProcessByStdio<null, Readable, Readable> | null = null
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'imagegate-ledger-'))
  })
  afterEach(() => {
    child?.kill('SIGKILL')
    rmSync(directory, { recursive: true })
  })

  test('has every acknowledged line, each settlement once, and a budget that its lines add up to, twice over', async () => {
    const acknowledged: string[] = []
    for (const acknowledgements of [60, 200]) {
      child = spawn(process.execPath, [join(import.meta.dirname, 'ledger-process.ts'), directory], { stdio: ['ignore', 'pipe', 'pipe'] })
      const exited = once(child, 'exit')
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      for (let count = 0; count < acknowledgements; count++) acknowledged.push(String((await lines.next()).value))
      child.kill('SIGKILL')
      for (let line = await lines.next(); line.done !== true; line = await lines.next()) acknowledged.push(line.value)
      await exited
    }
    const survivor = await openStore({ directory })
    await survivor.close()
    const disk = new DatabaseSync(join(directory, DATABASE_FILE))
    const settled = disk.prepare(`SELECT attempt_id, count(*) AS n FROM ledger WHERE kind = 'billed' GROUP BY attempt_id`).all()
    expect(settled.filter(({ n }) => n !== 1)).toEqual([])
    const ids = new Set(settled.map((row) => String(row['attempt_id'])))
    expect(acknowledged.filter((id) => !ids.has(id))).toEqual([])
    const sum = disk
      .prepare(`SELECT sum(CASE kind WHEN 'reserved' THEN amount WHEN 'released' THEN -amount ELSE 0 END) AS used FROM ledger`)
      .get()
    expect(disk.prepare('SELECT used FROM budgets').get()).toEqual(sum)
    disk.close()
  })
})
