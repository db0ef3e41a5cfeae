import type { DatabaseSync } from 'node:sqlite'
import type { KeyName, RenamedKey, Store } from '../../core/ports.ts'
import type { GroupCommit } from './group-commit.ts'
import { renamedKeys, renamingSteps } from '../rules/key-names.ts'

/**
 * Remembers which configured key has which name, and gives a key that has another one since all that it owned under the old one: generations,
 * comparisons, costs, budgets, deliveries, idempotency entries. Everything in one transaction.
 */
export const keyNamer =
  (database: DatabaseSync, group: Pick<GroupCommit, 'add'>): Store['nameKeys'] =>
  async (keys) => {
    let renamed: readonly RenamedKey[] = []
    await group.add([{ apply: () => void (renamed = nameKeys(database, keys)) }])
    return renamed
  }

function nameKeys(database: DatabaseSync, keys: readonly KeyName[]): readonly RenamedKey[] {
  const known = new Map(
    database
      .prepare('SELECT key_hash, name FROM configured_keys')
      .all()
      .map((row) => [String(row['key_hash']), String(row['name'])] as const),
  )
  const renamed = renamedKeys(known, keys)
  const remember = database.prepare(
    'INSERT INTO configured_keys (key_hash, name) VALUES (?, ?) ON CONFLICT (key_hash) DO UPDATE SET name = excluded.name',
  )
  for (const { from, to } of renamingSteps(renamed)) rename(database, from, to)
  for (const { keyHash, name } of keys) remember.run(keyHash, name)
  return renamed.map(({ from, to }) => ({ from, to }))
}

function rename(database: DatabaseSync, from: string, to: string): void {
  const inPlan = `UPDATE generation_plans SET plan = json_set(plan, '$.key', ?) WHERE number IN (SELECT number FROM generations WHERE key = ?)`
  database.prepare(inPlan).run(to, from)
  database.prepare('UPDATE generations SET key = ? WHERE key = ?').run(to, from)
  database.prepare(`UPDATE comparisons SET key = ?1, body = json_set(body, '$.key', ?1) WHERE key = ?2`).run(to, from)
  database.prepare(`UPDATE webhook_deliveries SET key = ?1, record = json_set(record, '$.key', ?1) WHERE key = ?2`).run(to, from)
  database.prepare('UPDATE ledger SET key = ? WHERE key = ?').run(to, from)
  const budgets = `INSERT INTO budgets (key, period, used) SELECT ?, period, used FROM budgets WHERE key = ?
    ON CONFLICT (key, period) DO UPDATE SET used = used + excluded.used`
  database.prepare(budgets).run(to, from)
  database.prepare('DELETE FROM budgets WHERE key = ?').run(from)
  database.prepare('UPDATE OR REPLACE idempotency SET scope = ? WHERE scope = ?').run(to, from)
}
