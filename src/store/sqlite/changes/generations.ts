import { type GenerationRecord, isTerminal } from '#contract'
import type { ChangeKind } from '../change.ts'

/**
 * Saves whole records: the row with its columns for filters, and its metadata when it is new.
 * What never changes after the first save (model, key, metadata, time of creation) is written once.
 */
export const generationChanges: ChangeKind = (database) => {
  const update = database.prepare('UPDATE generations SET status = ?, open = ?, provider = ?, record = ? WHERE id = ?')
  const insert = database.prepare(
    'INSERT INTO generations (status, open, provider, record, id, created_at, model, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  const insertMetadata = database.prepare('INSERT INTO generation_metadata (key, value, created_at, generation_id) VALUES (?, ?, ?, ?)')

  const save = (row: GenerationRow): void => {
    const { id, createdAt } = row
    const { changes } = update.run(row.status, row.open, row.provider, row.record, id)
    if (changes === 0) {
      insert.run(row.status, row.open, row.provider, row.record, id, createdAt, row.model, row.key)
      for (const [key, value] of row.metadata) insertMetadata.run(key, value, createdAt, id)
    }
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

function rowOf(record: GenerationRecord) {
  // A canceled generation may still have a picture on its way that is paid for.
  const isOpen = !isTerminal(record.status) || record.attempts.some((attempt) => attempt.endedAt === null)
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
  }
}
