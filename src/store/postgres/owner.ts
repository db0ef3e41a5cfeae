import pg from 'pg'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../../core/ports.ts'
import { runner, SEARCH_PATH, settingsOf } from './connections.ts'
import type { Connection } from './connections.ts'
import { failureOf } from './failure-of.ts'
import { LOCKS } from './locks.ts'
import { prepare } from './statement.ts'

/** How long a starting process waits for one that is just leaving. */
const PATIENCE_MS = 2_000
const AGAIN_MS = 50

/**
 * The one process that answers for the open generations of a database. It holds a lock on a connection of its own for as long as it lives, and
 * its number, the epoch, is in every transaction it writes with: one that was taken for dead, and wakes up, writes nothing more.
 */
export interface Ownership {
  readonly epoch: bigint
  /** What a transaction asks before it writes; the second says the epoch in force until it ends. */
  readonly statements: readonly [ReturnType<typeof shareWriting>, ReturnType<typeof readEpoch>]
  release(): Promise<void>
}

const shareWriting = prepare('SELECT pg_advisory_xact_lock_shared($1, $2)')
const readEpoch = prepare('SELECT epoch FROM owner')
const tryLock = prepare('SELECT pg_try_advisory_lock($1, $2) AS is_ours')
/** Those who write end first. */
const lockWriting = prepare('SELECT pg_advisory_lock($1, $2)')
const unlockWriting = prepare('SELECT pg_advisory_unlock($1, $2)')
const unlockAll = prepare('SELECT pg_advisory_unlock_all()')
const nextEpoch = prepare('UPDATE owner SET epoch = epoch + 1 RETURNING epoch')
const holder = prepare(`
  SELECT a.pid, coalesce(host(a.client_addr), 'this machine') AS address, to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') AS since
  FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
  WHERE l.locktype = 'advisory' AND l.classid = $1::oid AND l.objid = $2::oid AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`)

interface TakeOptions {
  /** Brings the schema up to date, before it is asked who owns it. */
  readonly prepareSchema: (run: Connection['run']) => Promise<void>
  readonly patienceMs?: number
}

/**
 * @throws StoreError `in_use` where another process owns the database, in words; `unreachable`
 */
export async function takeOwnership(url: string, { prepareSchema, patienceMs = PATIENCE_MS }: TakeOptions): Promise<Ownership> {
  let client = await connect(url)
  const state = { isReleased: false }
  try {
    await prepareSchema(runner(client))
    await lockOwner(client, patienceMs)
    const epoch = await begin(runner(client))
    const hold = (): void => {
      client.once('end', () => void holdAgain())
    }
    /** The server was started anew, or the way to it was lost: others are kept out again. Until then the epoch keeps them apart. */
    const holdAgain = async (): Promise<void> => {
      while (!state.isReleased) {
        try {
          client = await connect(url)
          if ((await runner(client)(tryLock(...LOCKS.owner))).rows[0]?.['is_ours'] === true) return hold()
          await client.end()
        } catch {
          // Not there yet.
        }
        await sleep(AGAIN_MS, undefined, { ref: false })
      }
    }
    hold()
    return {
      epoch,
      statements: [shareWriting(...LOCKS.writing), readEpoch()],
      async release() {
        state.isReleased = true
        // Said, not only left to the end of the connection, which the server sees a little later.
        await runner(client)(unlockAll()).catch(() => {})
        await client.end().catch(() => {})
      },
    }
  } catch (error) {
    await client.end().catch(() => {})
    throw failureOf(error) ?? error
  }
}

export const ownedByAnother = (): StoreError =>
  new StoreError('in_use', 'another imagegate process has taken over this database; nothing was written; stop this one, or start it anew')

async function connect(url: string): Promise<pg.Client> {
  // It is idle, and must be taken for dead soon after its machine is.
  const client = new pg.Client({ ...settingsOf(url), application_name: 'imagegate (owner)' })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(SEARCH_PATH)
    await client.query('SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3')
    return client
  } catch (error) {
    await client.end().catch(() => {})
    throw failureOf(error) ?? error
  }
}

async function lockOwner(client: pg.Client, patienceMs: number): Promise<void> {
  const run = runner(client)
  const until = performance.now() + patienceMs
  for (;;) {
    if ((await run(tryLock(...LOCKS.owner))).rows[0]?.['is_ours'] === true) return
    if (performance.now() > until) break
    await sleep(AGAIN_MS)
  }
  const { address, since } = (await run(holder(...LOCKS.owner))).rows[0] ?? {}
  const who = typeof address === 'string' ? ` (connected from ${address} since ${String(since)})` : ''
  const message = `another imagegate process uses this database${who}, and this version keeps to one process for each database; stop it, or name another database in store.url`
  throw new StoreError('in_use', message)
}

async function begin(run: Connection['run']): Promise<bigint> {
  await run(lockWriting(...LOCKS.writing))
  const { rows } = await run(nextEpoch())
  await run(unlockWriting(...LOCKS.writing))
  return rows[0]?.['epoch'] as bigint
}
