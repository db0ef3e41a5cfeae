import type { DatabaseSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { BudgetCheck } from '../../core/ports.ts'
import { spentSql } from '../rules/ledger-row.ts'
import { settledLines } from './settled.ts'

export interface BudgetReader {
  /** Nanodollars that count in a period. Reads page by page where that takes long, so that a long ledger stops nothing else. */
  read(key: string, period: string, periodStart: number): Promise<bigint>
  /** The same within a transaction; quick once it was read. */
  used(key: string, period: string, periodStart: number): bigint
  /** Begins the row of a period; one that is there stays. */
  open(budget: Pick<BudgetCheck, 'key' | 'period' | 'periodStart'>): void
}

/** What is known of a period without a row: what its lines up to one of them count. */
interface Counted {
  readonly seq: bigint
  readonly used: bigint
}

const MOST_COUNTED = 1_000

/**
 * What counts against budgets: one row for each key and period, kept in step with the ledger's reservations, so that asking costs the same
 * however long the ledger is. A period that has no row yet (a new budget, or a new length of its period) begins with what the key has spent
 * on generations that were accepted since its start: one accepted before counts in the period it was accepted in, whenever its cost becomes
 * known. What is unknown counts at what was held for it, until a later cost replaces that. Until such a period has its row, what was counted once
 * is remembered, and only lines that came since are added.
 */
export function budgetReader(database: DatabaseSync): BudgetReader {
  const kept = database.prepare('SELECT used FROM budgets WHERE key = ? AND period = ?')
  kept.setReadBigInts(true)
  const begin = database.prepare('INSERT INTO budgets (key, period, used) VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
  const spending = spendingReader(database)
  const counted = new Map<string, Counted>()

  const keptOf = (key: string, period: string): bigint | undefined => kept.get(key, period)?.['used'] as bigint | undefined
  const nameOf = (key: string, start: number): string => JSON.stringify([key, start])
  /** Of a period without a row; remembers nothing, since a transaction may be taken back. */
  function countNow(key: string, start: number): Counted {
    const last = spending.newest()
    const { seq, used } = counted.get(nameOf(key, start)) ?? { seq: 0n, used: 0n }
    return { seq: last, used: used + spending.between(seq, last, { key, start }) }
  }
  function remember(key: string, start: number, known: Counted): bigint {
    if (counted.size >= MOST_COUNTED) counted.clear()
    counted.set(nameOf(key, start), known)
    return known.used
  }
  const used: BudgetReader['used'] = (key, period, start) => keptOf(key, period) ?? countNow(key, start).used

  return {
    used,
    async read(key, period, start) {
      const row = keptOf(key, period)
      if (row !== undefined) return row
      if (!counted.has(nameOf(key, start))) {
        const last = spending.newest()
        remember(key, start, { seq: last, used: await spending.upTo(last, { key, start }) })
      }
      return keptOf(key, period) ?? remember(key, start, countNow(key, start))
    },
    open({ key, period, periodStart }) {
      if (keptOf(key, period) === undefined) begin.run(key, period, used(key, period, periodStart))
    },
  }
}

/** Lines of the account that are passed over in one turn of the event loop. */
const PAGE_ROWS = 500

interface Asked {
  readonly key: string
  /** Of what was accepted since. */
  readonly start: number
}

/** Sums what a key's settled lines count. */
function spendingReader(database: DatabaseSync) {
  const settled = settledLines('ledger')
  const sum = (source: string): string => `
    SELECT coalesce(sum(${spentSql("CAST(task ->> 'heldNano' AS INTEGER)")}), 0) AS used FROM ${source}
    WHERE ${settled} AND at >= :start AND key = :key
      AND NOT EXISTS (SELECT 1 FROM generations WHERE generations.id = ledger.generation_id AND generations.created_at < :start)`
  const newest = database.prepare('SELECT coalesce(max(seq), 0) AS seq FROM ledger')
  const pageEnd = database.prepare(
    `SELECT at, seq FROM ledger WHERE ${settled} AND (at, seq) > (:at, :seq) ORDER BY at, seq LIMIT 1 OFFSET ${PAGE_ROWS - 1}`,
  )
  const page = database.prepare(`${sum('ledger')} AND seq <= :last AND (at, seq) > (:at, :seq) AND (at, seq) <= (:endAt, :endSeq)`)
  const lastPage = database.prepare(`${sum('ledger')} AND seq <= :last AND (at, seq) > (:at, :seq)`)
  // The newest lines are found by their number, whatever their instant.
  const between = database.prepare(`${sum('ledger NOT INDEXED')} AND seq > :after AND seq <= :last`)
  const all = database.prepare(`${sum('ledger')} AND seq <= :last`)
  for (const statement of [newest, pageEnd, page, lastPage, between, all]) statement.setReadBigInts(true)

  return {
    newest: (): bigint => newest.get()?.['seq'] as bigint,
    /** Lines after one, up to another. */
    between: (after: bigint, last: bigint, asked: Asked): bigint =>
      (after === 0n ? all.get({ ...asked, last }) : between.get({ ...asked, after, last }))?.['used'] as bigint,
    /** All lines up to one, in pages. */
    async upTo(last: bigint, asked: Asked): Promise<bigint> {
      let total = 0n
      let from = { at: BigInt(asked.start), seq: -1n }
      for (;;) {
        const end = pageEnd.get(from)
        const part = end
          ? page.get({ ...asked, ...from, last, endAt: end['at'] as bigint, endSeq: end['seq'] as bigint })
          : lastPage.get({ ...asked, ...from, last })
        total += part?.['used'] as bigint
        if (end === undefined) return total
        from = { at: end['at'] as bigint, seq: end['seq'] as bigint }
        await nextTurn()
      }
    },
  }
}
