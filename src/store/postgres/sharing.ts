import pg from 'pg'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreError } from '../../core/ports.ts'
import type { NodeMessage } from '../../core/nodes.ts'
import { runner, SEARCH_PATH, settingsOf } from './connections.ts'
import type { Connection } from './connections.ts'
import { failureOf } from './failure-of.ts'
import { LOCKS } from './locks.ts'
import { CHANNEL, readMessage } from './messages.ts'
import { prepare } from './statement.ts'

/** How long a starting process waits for one that is just leaving. */
const PATIENCE_MS = 2_000
const AGAIN_MS = 50

const tryAlone = prepare('SELECT pg_try_advisory_lock($1, $2) AS is_ours')
const tryShared = prepare('SELECT pg_try_advisory_lock_shared($1, $2) AS is_ours')
const unlockAll = prepare('SELECT pg_advisory_unlock_all()')
const holder = prepare(`
  SELECT a.pid, coalesce(host(a.client_addr), 'this machine') AS address, to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') AS since
  FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
  WHERE l.locktype = 'advisory' AND l.classid = $1::oid AND l.objid = $2::oid AND l.granted AND l.pid <> pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`)

export interface SharingOptions {
  /** Brings the schema up to date, before anything is asked. */
  readonly prepareSchema: (run: Connection['run']) => Promise<void>
  /** `alone`: nobody else may use the database meanwhile. */
  readonly how: 'shared' | 'alone'
  readonly patienceMs?: number
}

/** A process that uses the database, as the others see it: a connection of its own, which holds a lock and listens. */
export interface Sharing {
  onMessage(listener: (message: NodeMessage) => void): void
  /** How long it has been connected without a break; 0 while it is not. */
  connectedMs(): number
  release(): Promise<void>
}

/**
 * Joins the processes that use a database. One that must be alone is refused while others use it, and refuses them while it does.
 * @throws StoreError `in_use` in words; `unreachable`
 */
export async function joinDatabase(url: string, { prepareSchema, how, patienceMs = PATIENCE_MS }: SharingOptions): Promise<Sharing> {
  const listeners: ((message: NodeMessage) => void)[] = []
  const heard = (message: NodeMessage): void => listeners.forEach((listener) => listener(message))
  const tryLock = how === 'alone' ? tryAlone : tryShared
  let client = await connect(url)
  let connectedAt = performance.now()
  const state = { isReleased: false }

  const hold = async (): Promise<void> => {
    client.on('notification', ({ payload }) => {
      const message = readMessage(payload ?? '')
      if (message) heard(message)
    })
    client.once('end', () => {
      connectedAt = Infinity
      void holdAgain()
    })
    await client.query(`LISTEN ${CHANNEL}`)
  }
  /** The server was started anew, or the way to it was lost. What was said meanwhile is found by whoever hears of it. */
  const holdAgain = async (): Promise<void> => {
    while (!state.isReleased) {
      await sleep(AGAIN_MS, undefined, { ref: false })
      try {
        client = await connect(url)
        // Somebody keeps the database to itself, a move into it perhaps.
        if (!(await lock(client))) throw new Error('it is not to be used now')
        await hold()
        connectedAt = performance.now()
        return heard({ kind: 'reconnected' })
      } catch {
        client.removeAllListeners('end')
        await client.end().catch(() => {})
      }
    }
  }
  const lock = async (of: pg.Client): Promise<boolean> => (await runner(of)(tryLock(...LOCKS.owner))).rows[0]?.['is_ours'] === true

  try {
    await prepareSchema(runner(client))
    const until = performance.now() + patienceMs
    while (!(await lock(client))) {
      if (performance.now() > until) throw await inUse(runner(client), how)
      await sleep(AGAIN_MS)
    }
    await hold()
  } catch (error) {
    await client.end().catch(() => {})
    throw failureOf(error) ?? error
  }
  return {
    onMessage: (listener) => void listeners.push(listener),
    connectedMs: () => Math.max(0, performance.now() - connectedAt),
    async release() {
      state.isReleased = true
      // Said, not only left to the end of the connection, which the server sees a little later.
      await runner(client)(unlockAll()).catch(() => {})
      await client.end().catch(() => {})
    },
  }
}

async function connect(url: string): Promise<pg.Client> {
  // It is idle, and must be taken for dead soon after its machine is.
  const client = new pg.Client({ ...settingsOf(url), application_name: 'imagegate (listens)' })
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

async function inUse(run: Connection['run'], how: SharingOptions['how']): Promise<StoreError> {
  const { address, since } = (await run(holder(...LOCKS.owner))).rows[0] ?? {}
  const who = typeof address === 'string' ? ` (connected from ${address} since ${String(since)})` : ''
  const why =
    how === 'alone'
      ? 'and what is asked for needs it for itself; stop that process first'
      : 'and lets no other use it: an older version, or a move into it; stop that process first, or wait for its end'
  return new StoreError('in_use', `another imagegate process uses this database${who}, ${why}, or name another database in store.url`)
}
