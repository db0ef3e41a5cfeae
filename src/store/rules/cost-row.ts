import { usdFromNano } from '#contract'
import type { Usd } from '#contract'
import type { CostRow, LedgerKind, SettledTask } from '../../core/records.ts'
import type { ObservedBill } from '../../core/ports.ts'
import type { Row } from './rows.ts'

/** SQL: whether a line of the ledger `l` says what an attempt cost. */
export const SETTLED = `l.kind IN ('billed', 'computed', 'unknown', 'adjusted')`

const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null)
const usdOrNull = (value: unknown): Usd | null => (typeof value === 'bigint' ? usdFromNano(value) : null)

/** A settled line; integers of the row are big. */
export function costRowOf(row: Row): CostRow {
  const rest = JSON.parse(String(row['task'])) as Omit<SettledTask, 'quoted' | 'images'>
  const { created_at: createdAt, metadata } = row
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
    createdAt: typeof createdAt === 'bigint' ? Number(createdAt) : null,
    metadata: typeof metadata === 'string' ? (JSON.parse(metadata) as Record<string, string>) : {},
  }
}

/** None where the line has no amount. */
export function observedBillOf(row: Row): readonly ObservedBill[] {
  const amount = usdOrNull(row['amount'])
  const { made } = JSON.parse(String(row['task'])) as Pick<SettledTask, 'made'>
  return amount === null ? [] : [{ amount, images: Number(row['images']), made, at: Number(row['at']) }]
}
