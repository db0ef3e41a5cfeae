import type { DatabaseSync } from 'node:sqlite'
import { scopesOf } from '../../core/keys/key-record.ts'
import type { KeyName, RenamedKey, Store } from '../../core/ports.ts'
import type { GroupCommit } from './group-commit.ts'
import { changeInRanges } from './in-ranges.ts'
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
  const passOn = database.prepare('DELETE FROM configured_keys WHERE name = ? AND key_hash <> ?')
  for (const { from, to } of renamingSteps(renamed)) rename(database, from, to)
  for (const { keyHash, name } of keys) {
    remember.run(keyHash, name)
    passOn.run(name, keyHash)
  }
  return renamed.map(({ from, to }) => ({ from, to }))
}

/** In each statement a `+` keeps SQLite from an index of keys: rows are taken by their numbers. */
const RANGE = 'rowid > :above AND rowid <= :to'
const OWNED = {
  generation_plans: `UPDATE generation_plans SET plan = json_set(plan, '$.key', :to_key)
    WHERE ${RANGE} AND (SELECT key FROM generations AS g WHERE g.number = generation_plans.number) = :from_key`,
  generations: `UPDATE generations SET key = :to_key WHERE ${RANGE} AND +key = :from_key`,
  comparisons: `UPDATE comparisons SET key = :to_key, body = json_set(body, '$.key', :to_key) WHERE ${RANGE} AND +key = :from_key`,
  webhook_deliveries: `UPDATE webhook_deliveries SET key = :to_key, record = json_set(record, '$.key', :to_key) WHERE ${RANGE} AND +key = :from_key`,
  ledger: `UPDATE ledger SET key = :to_key WHERE ${RANGE} AND +key = :from_key`,
}

function rename(database: DatabaseSync, from: string, to: string): void {
  for (const [table, statement] of Object.entries(OWNED)) changeInRanges(database, table, statement, { to_key: to, from_key: from })
  const budgets = `INSERT INTO budgets (key, period, used) SELECT ?, period, used FROM budgets WHERE key = ?
    ON CONFLICT (key, period) DO UPDATE SET used = used + excluded.used`
  database.prepare(budgets).run(to, from)
  database.prepare('DELETE FROM budgets WHERE key = ?').run(from)
  const move = database.prepare('UPDATE OR REPLACE idempotency SET scope = ? WHERE scope = ?')
  const [before, after] = [scopesOf(from), scopesOf(to)]
  move.run(after.generations, before.generations)
  move.run(after.comparisons, before.comparisons)
}
