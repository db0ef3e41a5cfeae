import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { CostRow } from '../../core/records.ts'
import type { CostQuery, ObservedBill } from '../../core/ports.ts'
import { costRowOf, observedBillOf, SETTLED } from '../rules/cost-row.ts'

/** Lines of the account that are passed over in one turn of the event loop, whether they are asked for or not. */
const PAGE_ROWS = 250

/**
 * Settled and adjusted lines, oldest first. Reads page by page and lets everything else run in between, so that a report over years delays
 * no request; each page begins where the last one ended, whatever was appended meanwhile. Where a page ends is asked first, so that a filter
 * that matches little never passes over more than one page at once.
 */
export async function* readCosts(database: DatabaseSync, query: CostQuery): AsyncGenerator<readonly CostRow[]> {
  const until = query.to === null ? '' : ' AND l.at < :to'
  const to = query.to === null ? {} : { to: query.to }
  const pageEnd = database.prepare(`
    SELECT l.at, l.seq FROM ledger AS l
    WHERE ${SETTLED}${until} AND (l.at, l.seq) > (:at, :seq) ORDER BY l.at, l.seq LIMIT 1 OFFSET ${PAGE_ROWS - 1}`)
  const { sql, values } = selection(query)
  const pageTo = database.prepare(`${sql} AND (l.at, l.seq) <= (:endAt, :endSeq) ORDER BY l.at, l.seq`)
  const lastPage = database.prepare(`${sql}${until} ORDER BY l.at, l.seq`)
  for (const statement of [pageEnd, pageTo, lastPage]) statement.setReadBigInts(true)
  let start = { at: BigInt(query.from ?? 0), seq: -1n }
  for (;;) {
    const end = pageEnd.get({ ...start, ...to })
    const rows =
      end === undefined
        ? lastPage.all({ ...values, ...start, ...to })
        : pageTo.all({ ...values, ...start, endAt: end['at'] as bigint, endSeq: end['seq'] as bigint })
    if (rows.length > 0) yield rows.map(costRowOf)
    if (end === undefined) return
    start = { at: end['at'] as bigint, seq: end['seq'] as bigint }
    await nextTurn()
  }
}

/** What is asked of a page, after its first line. */
function selection(query: CostQuery): { readonly sql: string; readonly values: Readonly<Record<string, SQLInputValue>> } {
  const pairs = Object.entries(query.metadata ?? {})
  const values: Record<string, SQLInputValue> = {}
  const conditions = (['key', 'provider', 'model'] as const).flatMap((column) => {
    const value = query[column]
    if (value === null || value === undefined) return []
    values[column] = value
    return [` AND l.${column} = :${column}`]
  })
  for (const [index, [name, value]] of pairs.entries()) {
    values[`name${index}`] = name
    values[`value${index}`] = value
    conditions.push(
      ` AND EXISTS (SELECT 1 FROM generation_metadata AS m WHERE m.generation_id = l.generation_id AND m.key = :name${index} AND m.value = :value${index})`,
    )
  }
  const generation =
    query.withGeneration === true
      ? `, (SELECT g.created_at FROM generations AS g WHERE g.id = l.generation_id) AS created_at,
         (SELECT json_group_object(m.key, m.value) FROM generation_metadata AS m WHERE m.generation_id = l.generation_id) AS metadata`
      : ''
  return { sql: `SELECT l.*${generation} FROM ledger AS l WHERE ${SETTLED} AND (l.at, l.seq) > (:at, :seq)${conditions.join('')}`, values }
}

/** What an offer billed while it was unpriced; the partial index holds just these. */
export function observedBillReader(database: DatabaseSync): (provider: string, model: string, limit: number) => readonly ObservedBill[] {
  const newest = database.prepare(`
    SELECT amount, images, task, at FROM ledger
    WHERE kind = 'billed' AND quoted IS NULL AND provider = ? AND model = ? ORDER BY seq DESC LIMIT ?`)
  newest.setReadBigInts(true)
  return (provider, model, limit) => newest.all(provider, model, limit).flatMap(observedBillOf)
}
