import { IdempotencyConflict } from '../../../core/ports.ts'
import type { ChangeKind } from '../change.ts'

/** Takes the (scope, key) for a generation; a taken one refuses the whole unit. */
export const idempotencyChange: ChangeKind = (database) => {
  const taken = database.prepare('SELECT 1 FROM idempotency WHERE scope = ? AND key = ?')
  const insert = database.prepare('INSERT INTO idempotency (scope, key, body_hash, generation_id, created_at) VALUES (?, ?, ?, ?, ?)')
  return ({ idempotency: entry }) => {
    if (entry === undefined) return null
    const { scope, key, bodyHash, generationId, createdAt } = entry
    return {
      check() {
        if (taken.get(scope, key) !== undefined) throw new IdempotencyConflict('this idempotency key is already taken')
      },
      apply() {
        insert.run(scope, key, bodyHash, generationId, createdAt)
      },
    }
  }
}
