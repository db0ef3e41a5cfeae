import type { ChangeKind } from '../change.ts'

/** Appends events; the number within the generation is given here, in the order of the units. */
export const eventChanges: ChangeKind = (database) => {
  const append = database.prepare(`
    INSERT INTO events (generation_id, seq, type, at, data)
    VALUES (?1, (SELECT coalesce(max(seq), 0) + 1 FROM events WHERE generation_id = ?1), ?2, ?3, ?4)`)
  return ({ events = [] }) => {
    if (events.length === 0) return null
    const rows = events.map(({ generationId, type, at, data }) => ({ generationId, type, at, data: JSON.stringify(data) }))
    return {
      apply() {
        for (const { generationId, type, at, data } of rows) append.run(generationId, type, at, data)
      },
    }
  }
}
