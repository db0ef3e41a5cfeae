import { isTerminal } from '#contract'
import { BLANK_ATTEMPT, BLANK_CHANGE, BLANK_IMAGE, blankGeneration } from '../../core/blank-records.ts'
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

const BLANK: Blank = blankGeneration()

type Blank = Readonly<Record<string, unknown>>

/**
 * Everything but the plan and what is as in a blank record, which `readGeneration` fills in: most of an acceptance's row, and two fifths of a
 * finished one. A field that is added to a record is kept without a change here.
 */
function stateOf(record: GenerationRecord): string {
  const state: Record<string, unknown> = {}
  for (const field in record) {
    const value = record[field as keyof GenerationRecord]
    if (!PLAN_FIELDS.has(field) && !isSame(value, BLANK[field])) state[field] = value
  }
  // The number of its task is kept always: rows of earlier versions, which have none, have one for each attempt.
  state['attempts'] = record.attempts.map((attempt) => ({ task: attempt.task, ...beyond(BLANK_ATTEMPT, attempt) }))
  state['timeline'] = record.timeline.map((change) => beyond(BLANK_CHANGE, change))
  if (record.images.length > 0) state['images'] = record.images.map((image) => beyond({ ...BLANK_IMAGE, generationId: record.id }, image))
  return JSON.stringify(state)
}

/** What of a value is not as in the blank one. */
function beyond(blank: Blank, value: object): object {
  const kept: Record<string, unknown> = {}
  for (const field in value) {
    const of = (value as Blank)[field]
    if (!isSame(of, blank[field])) kept[field] = of
  }
  return kept
}

const isSame = (value: unknown, blank: unknown): boolean =>
  value === blank || (Array.isArray(value) && value.length === 0 && Array.isArray(blank))
