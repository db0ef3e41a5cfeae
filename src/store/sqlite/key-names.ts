import type { DatabaseSync } from 'node:sqlite'
import type { KeyName, RenamedKey } from '../../core/ports.ts'

/**
 * Remembers which configured key has which name, and gives a key that has another one since all that it owned under the old one: generations,
 * comparisons, costs, budgets, deliveries, idempotency entries. Everything in one transaction.
 */
export function nameKeys(database: DatabaseSync, keys: readonly KeyName[]): readonly RenamedKey[] {
  const known = new Map(
    database
      .prepare('SELECT key_hash, name FROM configured_keys')
      .all()
      .map((row) => [String(row['key_hash']), String(row['name'])] as const),
  )
  const renamed = keys.flatMap(({ keyHash, name }) => {
    const from = known.get(keyHash)
    return from === undefined || from === name ? [] : [{ keyHash, from, to: name }]
  })
  const remember = database.prepare(
    'INSERT INTO configured_keys (key_hash, name) VALUES (?, ?) ON CONFLICT (key_hash) DO UPDATE SET name = excluded.name',
  )
  database.exec('BEGIN IMMEDIATE')
  try {
    // By way of names that nobody can have, since two keys may have changed theirs with one another.
    for (const { keyHash, from } of renamed) rename(database, from, `\u0000${keyHash}`)
    for (const { keyHash, to } of renamed) rename(database, `\u0000${keyHash}`, to)
    for (const { keyHash, name } of keys) remember.run(keyHash, name)
    database.exec('COMMIT')
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
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
