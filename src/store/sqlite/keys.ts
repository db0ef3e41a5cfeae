import type { DatabaseSync } from 'node:sqlite'
import type { KeyRecord } from '../../core/keys/key-record.ts'
import { KeyConflict } from '../../core/ports.ts'
import type { KeyChange, Store } from '../../core/ports.ts'
import { KEY_CONFLICT } from '../rules/key-names.ts'
import type { ChangeKind } from './change.ts'
import type { GroupCommit } from './group-commit.ts'

/** Makes, changes and revokes gateway keys that are what they were when it was asked for. */
export const keyChanges: ChangeKind = (database) => {
  const kept = database.prepare(`SELECT record ->> 'hash' AS hash FROM gateway_keys WHERE name = ?`)
  const other = database.prepare("SELECT 1 FROM gateway_keys WHERE name <> ? AND coalesce(record ->> 'expiresAt' > ?, true) LIMIT 1")
  const same = database.prepare(`SELECT 1 FROM gateway_keys WHERE record ->> 'hash' = ? LIMIT 1`)
  const upsert = database.prepare(
    'INSERT INTO gateway_keys (name, record) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET record = excluded.record',
  )
  const remove = database.prepare('DELETE FROM gateway_keys WHERE name = ?')
  // Its name is no configured key's any more, whoever had it.
  const passOn = database.prepare('DELETE FROM configured_keys WHERE name = ?')
  const use = database.prepare(`UPDATE gateway_keys SET record = json_set(record, '$.lastUsedAt', ?) WHERE name = ?`)
  const isAsFound = (change: KeyChange): boolean => {
    if (change.kind === 'used') return true
    const hash = kept.get(nameOf(change))?.['hash']
    if (change.kind === 'made') return hash === undefined && same.get(change.record.hash) === undefined
    if (change.kind === 'changed') return hash === change.from
    return hash !== undefined && (change.unlessLastAt === null || other.get(change.name, change.unlessLastAt) !== undefined)
  }
  return ({ keyChange: change }) => {
    if (change === undefined) return null
    const record = 'record' in change ? JSON.stringify(change.record) : null
    return {
      check() {
        if (!isAsFound(change)) throw new KeyConflict(KEY_CONFLICT)
      },
      apply() {
        if (change.kind === 'made') passOn.run(nameOf(change))
        if (record !== null) upsert.run(nameOf(change), record)
        else if (change.kind === 'used') use.run(change.at, change.name)
        else remove.run(nameOf(change))
      },
    }
  }
}

const nameOf = (change: KeyChange): string => ('record' in change ? change.record.name : change.name)

/** Reads gateway keys, and the secrets that this gateway made for itself. */
export function keyReader(
  database: DatabaseSync,
  group: Pick<GroupCommit, 'add'>,
): { keys(): readonly KeyRecord[]; secret: Store['secret'] } {
  const all = database.prepare('SELECT record FROM gateway_keys ORDER BY name')
  const kept = database.prepare('SELECT value FROM secrets WHERE name = ?')
  const keep = database.prepare('INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING')
  return {
    keys: () => all.all().map((row) => JSON.parse(String(row['record'])) as KeyRecord),
    async secret(name, made) {
      const known = kept.get(name)
      if (known !== undefined) return String(known['value'])
      await group.add([{ apply: () => void keep.run(name, made) }])
      return String(kept.get(name)?.['value'])
    },
  }
}
