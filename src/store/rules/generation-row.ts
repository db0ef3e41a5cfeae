import { isTerminal } from '#contract'
import type { GenerationRecord } from '../../core/records.ts'

/** What is written of a generation. */
export type Snapshot = ReturnType<typeof snapshotOf>

/** What may change while the unit waits, as it is now. */
export function snapshotOf(record: GenerationRecord) {
  // A canceled generation may still have an image on its way that is paid for.
  const isOpen = !isTerminal(record.status) || record.attempts.some((attempt) => attempt.endedAt === null)
  return {
    record,
    status: record.status,
    open: isOpen ? 1 : 0,
    provider: record.routes[record.routeIndex]?.provider ?? null,
    state: stateOf(record),
  }
}

/**
 * The half of a record that never changes after its first save, as JSON.
 * @param considered the offers of its routing; a store that keeps one for many plans gives its number
 */
export function planOf(record: GenerationRecord, considered: readonly unknown[] = record.routing.considered): string {
  const { id, key, sandbox, createdAt, comparison, request, references, webhook, model, routes } = record
  const routing = { ...record.routing, considered }
  return JSON.stringify({ id, key, sandbox, createdAt, comparison, request, references, webhook, model, routing, routes })
}

const PLAN_FIELDS: ReadonlySet<string> = new Set([
  'id',
  'key',
  'sandbox',
  'createdAt',
  'comparison',
  'request',
  'references',
  'webhook',
  'model',
  'routing',
  'routes',
])

/** Everything but the plan: a field that is added to a record is kept without a change here. */
function stateOf(record: GenerationRecord): string {
  const state: Record<string, unknown> = {}
  for (const field in record) if (!PLAN_FIELDS.has(field)) state[field] = record[field as keyof GenerationRecord]
  return JSON.stringify(state)
}
