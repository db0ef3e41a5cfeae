import { setTimeout as pause } from 'node:timers/promises'
import { StoreError } from '../../core/ports.ts'
import { SCHEMA } from './connections.ts'
import type { Connection } from './connections.ts'
import { isCollision } from './failure-of.ts'
import { LOCKS } from './locks.ts'
import { MIGRATIONS } from './migrations.ts'
import type { Statement } from './statement.ts'

const plain = (text: string, ...values: readonly unknown[]): Statement => ({ text, values })

/**
 * Runs the steps the database has not had, each in its own transaction. Processes that start at once do so one after the other.
 * @throws StoreError `newer_schema` where the database has had more steps than there are
 */
export async function migrate(run: Connection['run'], migrations: readonly string[] = MIGRATIONS): Promise<void> {
  await run(plain('SELECT pg_advisory_lock($1, $2)', ...LOCKS.migration))
  try {
    await run(plain(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`))
    await run(
      plain('CREATE TABLE IF NOT EXISTS schema_version (one boolean PRIMARY KEY DEFAULT true CHECK (one), version integer NOT NULL)'),
    )
    await run(plain('INSERT INTO schema_version (version) VALUES (0) ON CONFLICT DO NOTHING'))
    const { rows } = await run(plain('SELECT version FROM schema_version'))
    const version = Number(rows[0]?.['version'])
    if (version > migrations.length) {
      const message = `the database has schema ${version} and this version of imagegate knows ${migrations.length}; run the newer version, or restore a backup made before the upgrade`
      throw new StoreError('newer_schema', message)
    }
    for (const [index, step] of migrations.entries()) if (index >= version) await runStep(run, step, index + 1)
  } finally {
    await run(plain('SELECT pg_advisory_unlock($1, $2)', ...LOCKS.migration)).catch(() => {})
  }
}

/**
 * Other gateways work on while a step waits for a table: so briefly that they never wait for long behind it, and that PostgreSQL, which searches for
 * deadlocks after a second, finds none and breaks off no transaction of theirs.
 */
const LOCK_WAIT_MS = 400
const MOST_TRIES = 100

async function runStep(run: Connection['run'], step: string, version: number): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    await run(plain('BEGIN'))
    try {
      await run(plain(`SET LOCAL lock_timeout = ${LOCK_WAIT_MS}`))
      await run(plain(step))
      await run(plain('UPDATE schema_version SET version = $1', version))
      return void (await run(plain('COMMIT')))
    } catch (error) {
      await run(plain('ROLLBACK')).catch(() => {})
      if (!isCollision(error)) throw error
      if (tries === MOST_TRIES) throw new StoreError('in_use', NO_TABLE, { cause: error })
    }
    // They get on meanwhile.
    await pause(LOCK_WAIT_MS / 4)
  }
}

const NO_TABLE =
  'the schema cannot be made newer, since something keeps a table of it locked; end whatever reads or dumps the database for long, and start again'
