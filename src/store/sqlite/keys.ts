import type { DatabaseSync } from 'node:sqlite'
import type { KeyRecord } from '../../core/keys/key-record.ts'
import type { Store } from '../../core/ports.ts'
import type { ChangeKind } from './change.ts'

/** Saves gateway keys whole, and takes out those that are revoked. */
export const keyChanges: ChangeKind = (database) => {
  const upsert = database.prepare(
    'INSERT INTO gateway_keys (name, record) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET record = excluded.record',
  )
  const remove = database.prepare('DELETE FROM gateway_keys WHERE name = ?')
  const use = database.prepare(`UPDATE gateway_keys SET record = json_set(record, '$.lastUsedAt', ?) WHERE name = ?`)
  return ({ keys = [], usedKey, revokedKey }) => {
    if (keys.length === 0 && usedKey === undefined && revokedKey === undefined) return null
    const rows = keys.map((record) => [record.name, JSON.stringify(record)] as const)
    return {
      apply() {
        for (const row of rows) upsert.run(...row)
        if (usedKey !== undefined) use.run(usedKey.at, usedKey.name)
        if (revokedKey !== undefined) remove.run(revokedKey)
      },
    }
  }
}

/** Reads gateway keys, and the secrets that this gateway made for itself. */
export function keyReader(database: DatabaseSync): { keys(): readonly KeyRecord[]; secret(...asked: Parameters<Store['secret']>): string } {
  const all = database.prepare('SELECT record FROM gateway_keys ORDER BY name')
  const kept = database.prepare('SELECT value FROM secrets WHERE name = ?')
  const keep = database.prepare('INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING')
  return {
    keys: () => all.all().map((row) => JSON.parse(String(row['record'])) as KeyRecord),
    secret(name, made) {
      const known = kept.get(name)
      if (known !== undefined) return String(known['value'])
      keep.run(name, made)
      return String(kept.get(name)?.['value'])
    },
  }
}
