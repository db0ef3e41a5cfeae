import type { DatabaseSync } from 'node:sqlite'
import { changeInRanges } from './in-ranges.ts'

/** A sandbox spends play money. */
export type Money = 'real' | 'play'

/** `application_id` of the database file: who wrote it last. A file of an earlier version has 0. */
const MARKS: Readonly<Record<Money, number>> = { real: 0x69_6d_67_72, play: 0x69_6d_67_73 }

/**
 * Marks the file as that of real or of play money. The first time that one which may hold a sandbox's rows (earlier versions kept them in the
 * same file) is opened for real money, those rows are taken out of the account: they stay readable, and no cost, budget or observed price
 * counts them.
 */
export function keepApart(database: DatabaseSync, money: Money): void {
  const { application_id: mark } = database.prepare('PRAGMA application_id').get() ?? {}
  if (mark === MARKS[money]) return
  database.exec('BEGIN IMMEDIATE')
  try {
    if (money === 'real') setSandboxAside(database)
    database.exec(`PRAGMA application_id = ${MARKS[money]}`)
    database.exec('COMMIT')
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/** Lines of the account are never deleted; under a kind of their own nothing counts them. */
const ASIDE = 'sandbox:'

function setSandboxAside(database: DatabaseSync): void {
  database.exec(`
    CREATE TEMP TABLE play (id TEXT PRIMARY KEY) WITHOUT ROWID;
    INSERT INTO temp.play SELECT g.id FROM generations AS g JOIN generation_plans AS p USING (number) WHERE json_extract(p.plan, '$.sandbox');
    CREATE TEMP TABLE play_keys AS SELECT DISTINCT key FROM ledger
      WHERE key IS NOT NULL AND generation_id IN (SELECT id FROM temp.play) AND kind NOT LIKE '${ASIDE}%'`)
  const aside = `UPDATE ledger SET kind = '${ASIDE}' || kind
    WHERE rowid > :above AND rowid <= :to AND generation_id IN (SELECT id FROM temp.play) AND kind NOT LIKE '${ASIDE}%'`
  changeInRanges(database, 'ledger', aside, {})
  const budgets = database.prepare('SELECT key, period FROM budgets WHERE key IN (SELECT key FROM temp.play_keys)').all()
  const used = database.prepare(`
    SELECT coalesce(sum(CASE WHEN l.kind = 'reserved' THEN l.amount WHEN l.kind = 'released' THEN -l.amount
        WHEN held.generation_id IS NOT NULL THEN 0
        WHEN l.kind = 'unknown' THEN coalesce(l.quoted, 0) WHEN l.kind = 'adjusted' THEN l.amount - coalesce(l.quoted, 0)
        WHEN l.kind IN ('billed', 'computed') THEN l.amount ELSE 0 END), 0) AS used
    FROM ledger AS l JOIN generations AS g ON g.id = l.generation_id
      LEFT JOIN (SELECT DISTINCT generation_id FROM ledger WHERE kind = 'reserved' AND key = :key) AS held ON held.generation_id = l.generation_id
    WHERE l.key = :key AND ((l.period IS NULL AND g.created_at >= :start) OR l.period = :period)`)
  used.setReadBigInts(true)
  const update = database.prepare('UPDATE budgets SET used = ? WHERE key = ? AND period = ?')
  for (const { key, period } of budgets) {
    const values = { key: String(key), period: String(period) }
    const start = Number.isNaN(Date.parse(values.period)) ? 0 : Date.parse(values.period)
    update.run((used.get({ ...values, start })?.['used'] ?? 0n) as bigint, values.key, values.period)
  }
  database.exec('DROP TABLE temp.play; DROP TABLE temp.play_keys')
}
