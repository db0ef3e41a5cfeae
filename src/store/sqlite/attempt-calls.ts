import type { DatabaseSync } from 'node:sqlite'
import type { AttemptCallsRecord } from '../../core/records.ts'
import type { ChangeKind } from './change.ts'

/** Keeps what was said in attempts that end. A unit whose fate was unknown is handed in again: what is kept stays. */
export const callChanges: ChangeKind = (database) => {
  const insert = database.prepare(
    'INSERT INTO attempt_calls (generation, attempt, calls) SELECT number, ?, ? FROM generations WHERE id = ? ON CONFLICT DO NOTHING',
  )
  return ({ calls = [] }) => {
    if (calls.length === 0) return null
    const taken = [...calls]
    return {
      apply() {
        for (const { generationId, attempt, complete, data } of taken) insert.run(attempt, JSON.stringify({ complete, data }), generationId)
      },
    }
  }
}

export function callReader(database: DatabaseSync) {
  const read = database.prepare('SELECT calls FROM attempt_calls JOIN generations ON number = generation WHERE id = ? AND attempt = ?')
  return (generationId: string, attempt: number): AttemptCallsRecord | null => {
    const row = read.get(generationId, attempt)
    if (row === undefined) return null
    const kept = JSON.parse(String(row['calls'])) as Pick<AttemptCallsRecord, 'complete' | 'data'>
    return { generationId, attempt, ...kept }
  }
}
