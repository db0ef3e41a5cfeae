import { type AttemptRecord, type GenerationRecord, isTerminal } from '#contract'
import type { ChangeKind } from '../change.ts'

/**
 * Saves whole records: the row with its columns for filters, its metadata when it is new, and how long its tasks took when it has ended.
 * What never changes after the first save (model, key, metadata, time of creation) is written once.
 */
export const generationChanges: ChangeKind = (database) => {
  const update = database.prepare('UPDATE generations SET status = ?, open = ?, provider = ?, record = ? WHERE id = ?')
  const insert = database.prepare(
    'INSERT INTO generations (status, open, provider, record, id, created_at, model, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const insertMetadata = database.prepare('INSERT INTO generation_metadata (key, value, created_at, generation_id) VALUES (?, ?, ?, ?)')
  const insertDuration = database.prepare(
    'INSERT INTO durations (attempt_id, provider, model, ms, ok) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  )

  const save = (row: GenerationRow): void => {
    const { id, createdAt } = row
    const { changes } = update.run(row.status, row.open, row.provider, row.record, id)
    if (changes === 0) {
      insert.run(row.status, row.open, row.provider, row.record, id, createdAt, row.model, row.key)
      for (const [key, value] of row.metadata) insertMetadata.run(key, value, createdAt, id)
    }
    for (const { attemptId, provider, model, ms, ok } of row.durations) insertDuration.run(attemptId, provider, model, ms, ok)
  }

  return ({ generations = [] }) => {
    if (generations.length === 0) return null
    const rows = generations.map(rowOf)
    return {
      apply() {
        for (const row of rows) save(row)
      },
    }
  }
}

type GenerationRow = ReturnType<typeof rowOf>

interface Duration {
  readonly attemptId: string
  readonly provider: string
  readonly model: string
  readonly ms: number
  readonly ok: 0 | 1
}

function rowOf(record: GenerationRecord) {
  const isOpen = !isTerminal(record.status)
  return {
    id: record.id,
    createdAt: record.createdAt,
    status: record.status,
    open: isOpen ? 1 : 0,
    model: record.model,
    provider: record.routes[record.routeIndex]?.provider ?? null,
    key: record.key,
    record: JSON.stringify(record),
    metadata: Object.entries(record.request.metadata ?? {}),
    durations: isOpen ? [] : record.attempts.flatMap((attempt) => durationOf(record, attempt)),
  }
}

/** From the submit to the vendor's being done. A task that ended without a result counts to its end, and is not ok. */
function durationOf(record: GenerationRecord, attempt: AttemptRecord): readonly Duration[] {
  const route = record.routes[attempt.route]
  const end = attempt.readyAt ?? attempt.endedAt
  if (route === undefined || attempt.submittedAt === null || end === null || attempt.status === 'canceled') return []
  const { provider, model } = route
  const ok = attempt.readyAt !== null && attempt.status === 'succeeded' ? 1 : 0
  return [{ attemptId: attempt.id, provider, model, ms: Math.max(0, Math.round(end - attempt.submittedAt)), ok }]
}
