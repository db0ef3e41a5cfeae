import type { DatabaseSync } from 'node:sqlite'
import type { ComparisonRecord } from '../../core/records.ts'
import type { Store } from '../../core/ports.ts'
import type { ChangeKind } from './change.ts'
import { pageOf, positionOf } from '../rules/cursor.ts'

/** Saves whole records: the row, and again where its generations have begun. */
export const comparisonChanges: ChangeKind = (database) => {
  const upsert = database.prepare(`
    INSERT INTO comparisons (id, created_at, key, unbegun, body) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET unbegun = excluded.unbegun, body = excluded.body`)
  return ({ comparisons = [] }) => {
    if (comparisons.length === 0) return null
    const rows = comparisons.map(
      (record) => [record.id, record.createdAt, record.key, record.unbegun === null ? 0 : 1, JSON.stringify(record)] as const,
    )
    return {
      apply() {
        for (const row of rows) upsert.run(...row)
      },
    }
  }
}

type ComparisonReader = Pick<Store, 'comparison' | 'comparisons' | 'unbegunComparisons'>

const recordOf = (row: object): ComparisonRecord => JSON.parse(String((row as { readonly body: unknown }).body)) as ComparisonRecord

/** Reads them back. Each list walks the index of its order and never passes over another key's rows. */
export function comparisonReader(database: DatabaseSync): ComparisonReader {
  const one = database.prepare('SELECT body FROM comparisons WHERE id = ?')
  const unbegun = database.prepare('SELECT body FROM comparisons WHERE unbegun = 1 ORDER BY created_at, id')
  const page = (where: string) =>
    database.prepare(`SELECT body FROM comparisons WHERE ${where} (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?`)
  const ofAll = page('')
  const ofKey = page('key = ? AND')
  const newest = { createdAt: Number.MAX_SAFE_INTEGER, id: '' }

  return {
    async comparison(id) {
      const row = one.get(id)
      return row === undefined ? null : recordOf(row)
    },
    async comparisons({ key, cursor, limit }) {
      const { createdAt, id } = cursor === undefined ? newest : positionOf(cursor)
      const rows = key === undefined ? ofAll.all(createdAt, id, limit + 1) : ofKey.all(key, createdAt, id, limit + 1)
      return pageOf(rows.map(recordOf), limit)
    },
    async unbegunComparisons() {
      return unbegun.all().map(recordOf)
    },
  }
}
