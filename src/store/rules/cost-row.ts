import { usdFromNano } from '#contract'
import type { Usd } from '#contract'
import type { CostRow, LedgerKind, SettledTask } from '../../core/records.ts'
import type { ObservedBill } from '../../core/ports.ts'
import type { Row } from './rows.ts'

export const SETTLED_KINDS = ['billed', 'computed', 'unknown', 'adjusted'] as const

/** SQL: whether a line of the ledger `l` says what an attempt cost. */
export const SETTLED = `l.kind IN (${SETTLED_KINDS.map((kind) => `'${kind}'`).join(', ')})`

const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null)
const usdOrNull = (value: unknown): Usd | null => (typeof value === 'bigint' ? usdFromNano(value) : null)

/** A settled line; integers of the row are big. A report reads tens of thousands: the parsed task is completed, not copied. */
export function costRowOf(row: Row): CostRow {
  const { created_at: createdAt, metadata } = row
  const task = JSON.parse(row['task'] as string) as { -readonly [Name in keyof SettledTask]: SettledTask[Name] }
  task.quoted = usdOrNull(row['quoted'])
  task.images = Number(row['images'])
  return {
    generationId: row['generation_id'] as string,
    attemptId: row['attempt_id'] as string,
    key: textOrNull(row['key']),
    provider: row['provider'] as string,
    model: row['model'] as string,
    kind: row['kind'] as LedgerKind,
    amount: usdOrNull(row['amount']),
    at: Number(row['at']),
    period: null,
    task,
    createdAt: typeof createdAt === 'bigint' ? Number(createdAt) : null,
    metadata: typeof metadata === 'string' ? (JSON.parse(metadata) as Record<string, string>) : {},
  }
}

/** None where the line has no amount. */
export function observedBillOf(row: Row): readonly ObservedBill[] {
  const amount = usdOrNull(row['amount'])
  const { made } = JSON.parse(String(row['task'])) as Pick<SettledTask, 'made'>
  return amount === null ? [] : [{ key: textOrNull(row['key']), amount, images: Number(row['images']), made, at: Number(row['at']) }]
}
