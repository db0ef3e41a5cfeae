import type { DatabaseSync, SQLInputValue, SQLOutputValue } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { usdFromNano } from '#contract'
import type { Usd } from '#contract'
import type { CostRow, LedgerKind, SettledTask } from '../../core/records.ts'
import type { CostQuery, ObservedBill } from '../../core/ports.ts'

const PAGE_ROWS = 1_000

type Row = Readonly<Record<string, SQLOutputValue>>

/**
 * Settled and adjusted lines, oldest first. Reads page by page and lets everything else run in between, so that a report over years delays
 * no request; each page begins where the last one ended, whatever was appended meanwhile.
 */
export async function* readCosts(database: DatabaseSync, query: CostQuery): AsyncGenerator<readonly CostRow[]> {
  const { sql, values } = selection(query)
  const page = database.prepare(sql)
  page.setReadBigInts(true)
  let [at, seq]: readonly bigint[] = [BigInt(query.from ?? 0), -1n]
  for (;;) {
    const rows = page.all(...values, at ?? 0n, seq ?? 0n, PAGE_ROWS)
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map((row) => costRowOf(row, query.metadata.length))
    if (rows.length < PAGE_ROWS) return
    at = last['at'] as bigint
    seq = last['seq'] as bigint
    await nextTurn()
  }
}

function selection({ to, key, metadata }: CostQuery): { readonly sql: string; readonly values: readonly SQLInputValue[] } {
  const pairs = metadata.map(
    (_, index) =>
      `, (SELECT value FROM generation_metadata AS m WHERE m.generation_id = l.generation_id AND m.key = ?) AS metadata_${index}`,
  )
  const until = to === null ? '' : ' AND l.at < ?'
  const whose = key === null ? '' : ' AND l.key = ?'
  return {
    sql: `
      SELECT l.*${pairs.join('')} FROM ledger AS l
      WHERE l.kind IN ('billed', 'computed', 'unknown', 'adjusted')${until}${whose} AND (l.at, l.seq) > (?, ?)
      ORDER BY l.at, l.seq LIMIT ?`,
    values: [...metadata, ...(to === null ? [] : [to]), ...(key === null ? [] : [key])],
  }
}

const textOrNull = (value: SQLOutputValue | undefined): string | null => (value === null || value === undefined ? null : String(value))
const usdOrNull = (value: SQLOutputValue | undefined): Usd | null => (typeof value === 'bigint' ? usdFromNano(value) : null)

function costRowOf(row: Row, metadataCount: number): CostRow {
  const rest = JSON.parse(String(row['task'])) as Omit<SettledTask, 'quoted' | 'images'>
  return {
    generationId: String(row['generation_id']),
    attemptId: String(row['attempt_id']),
    key: textOrNull(row['key']),
    provider: String(row['provider']),
    model: String(row['model']),
    kind: String(row['kind']) as LedgerKind,
    amount: usdOrNull(row['amount']),
    at: Number(row['at']),
    period: null,
    task: { ...rest, quoted: usdOrNull(row['quoted']), images: Number(row['images']) },
    metadata: Array.from({ length: metadataCount }, (_, index) => textOrNull(row[`metadata_${index}`])),
  }
}

/** What an offer billed while it was unpriced; the partial index holds just these. */
export function observedBillReader(database: DatabaseSync): (provider: string, model: string, limit: number) => readonly ObservedBill[] {
  const newest = database.prepare(`
    SELECT amount, images, task, at FROM ledger
    WHERE kind = 'billed' AND quoted IS NULL AND provider = ? AND model = ? ORDER BY seq DESC LIMIT ?`)
  newest.setReadBigInts(true)
  return (provider, model, limit) =>
    newest.all(provider, model, limit).flatMap((row) => {
      const amount = usdOrNull(row['amount'])
      const { made } = JSON.parse(String(row['task'])) as Pick<SettledTask, 'made'>
      return amount === null ? [] : [{ amount, images: Number(row['images']), made, at: Number(row['at']) }]
    })
}
