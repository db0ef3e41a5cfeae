import { isTerminal } from '#contract'
import { BLANK_ATTEMPT, blankGeneration } from '../../core/records.ts'
import type { AttemptRecord, GenerationRecord } from '../../core/records.ts'

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

const BLANK: Readonly<Record<string, unknown>> = blankGeneration()
const BLANK_FIELDS: Readonly<Record<string, unknown>> = BLANK_ATTEMPT

/**
 * Everything but the plan and what is as in a blank record, which `readGeneration` fills in: most of an acceptance's row, and a quarter of a
 * finished one. A field that is added to a record is kept without a change here.
 */
function stateOf(record: GenerationRecord): string {
  const state: Record<string, unknown> = {}
  for (const field in record) {
    const value = record[field as keyof GenerationRecord]
    if (!PLAN_FIELDS.has(field) && !isSame(value, BLANK[field])) state[field] = value
  }
  state['attempts'] = record.attempts.map(beyondBlank)
  return JSON.stringify(state)
}

/** The number of its task is kept always: rows of earlier versions, which have none, have one for each attempt. */
function beyondBlank(attempt: AttemptRecord): object {
  const kept: Record<string, unknown> = { task: attempt.task }
  for (const field in attempt) {
    const value = attempt[field as keyof AttemptRecord]
    if (!isSame(value, BLANK_FIELDS[field])) kept[field] = value
  }
  return kept
}

const isSame = (value: unknown, blank: unknown): boolean =>
  value === blank || (Array.isArray(value) && value.length === 0 && Array.isArray(blank))
