import { createHash } from 'node:crypto'
import { PgBoss } from 'pg-boss'
import type { ConnectionOptions } from 'pg-boss'
import type { Claimed } from '../../core/nodes.ts'
import { again } from './again.ts'
import type { Connection, Connections } from './connections.ts'
import { failureOf } from './failure-of.ts'
import { recordOf, SELECTED } from './generations.ts'
import { LOCKS } from './locks.ts'
import { prepare } from './statement.ts'
import type { Statement } from './statement.ts'

/** The schema of pg-boss. */
export const WORK_SCHEMA = 'imagegate_work'
/** One job for each open generation. */
const GENERATIONS = 'generations'
/** One job for each period of a periodic work: whoever made it does the work. */
const TURNS = 'turns'

const HEARTBEAT_SECONDS = 10
const TOUCH_EVERY_MS = 3_000
const SUPERVISE_EVERY_MS = 1_000
/** After a break nobody is taken for dead before everybody had time to be heard of again. */
const SUPERVISE_AFTER_MS = 6_000
const MOST_AT_ONCE = 200
const DAY_SECONDS = 86_400

/** Jobs have ids of their own kind. The same in SQL: `md5(id)::uuid`. */
const jobIdOf = (generationId: string): string =>
  createHash('md5')
    .update(generationId)
    .digest('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

const begin = prepare(`
  UPDATE ${WORK_SCHEMA}.job SET state = 'active', started_on = now(), heartbeat_on = now() WHERE name = '${GENERATIONS}' AND id = $1::uuid`)
const withoutJob = prepare(`
  SELECT id FROM generations AS g WHERE open
    AND NOT EXISTS (SELECT 1 FROM ${WORK_SCHEMA}.job AS j WHERE j.name = '${GENERATIONS}' AND j.id = md5(g.id)::uuid)`)
/** SQL: whether this process is the only one; soon after a start of the server nobody knows. */
const ALONE = `
  now() - pg_postmaster_start_time() > interval '5 seconds'
  AND 1 = (
    SELECT count(*) FROM pg_locks AS l WHERE l.locktype = 'advisory' AND l.classid = $1::oid AND l.objid = $2::oid AND l.granted
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  )`
/** What those who are gone have left is taken over without a wait. */
const leftAlone = prepare(`SELECT id::text FROM ${WORK_SCHEMA}.job WHERE name = '${GENERATIONS}' AND state = 'active' AND ${ALONE}`)
const freeClaims = prepare(`UPDATE webhook_deliveries SET claimed_until = 0 WHERE claimed_until <> 0 AND ${ALONE}`)
const claim = prepare(`
  UPDATE generations SET lease = lease + 1 WHERE id = ANY ($1::text[]) AND open RETURNING id, lease, cancel_asked`)
const moveSlots = prepare('UPDATE slots SET node = $2 WHERE generation_id = ANY ($1::text[])')
const records = prepare(`${SELECTED} WHERE g.id = ANY ($1::text[]) ORDER BY g.created_at, g.id`)

/** A job that this process has, as pg-boss knows it. */
interface Held {
  readonly id: string
  readonly retryCount: number
}

export interface Work {
  /** Before a transaction that opens or closes: starting takes connections and time of its own. @throws StoreError */
  ready(): Promise<void>
  /** In the transaction that accepts a generation. `isHeld`: this process works on it. */
  open(connection: Connection, generationId: string, isHeld: boolean): Promise<void>
  /** In the transaction that closes it. */
  close(connection: Connection, generationId: string): Promise<void>
  /** The transaction was committed. */
  opened(generationId: string): void
  closed(generationId: string): void
  /** @throws StoreError */
  claim(): Promise<readonly Claimed[]>
  takeTurn(work: string, periodMs: number): Promise<boolean>
  /** What is open here is free for others at once. */
  stop(): Promise<void>
}

interface WorkDependencies {
  readonly url: string
  readonly node: string
  readonly connections: Connections
  readonly connectedMs: () => number
  readonly onLost: (generationIds: readonly string[]) => void
}

/**
 * Who works on what: pg-boss hands out open generations, and takes them from a process that is not heard of for 10 seconds. It is started at
 * its first use: whoever only reads needs none.
 */
export function createWork({ url, node, connections, connectedMs, onLost }: WorkDependencies): Work {
  let started: Promise<PgBoss> | null = null
  const held = new Map<string, Held>()
  const boss = (): Promise<PgBoss> =>
    (started ??= startBoss(url, connections).catch((error: unknown) => {
      started = null
      throw failureOf(error) ?? error
    }))
  async function touch(): Promise<void> {
    const asked = [...held]
    if (asked.length === 0) return
    const { settled } = (await (
      await boss()
    ).touch(
      GENERATIONS,
      asked.map(([, job]) => job),
    )) as { readonly settled?: readonly string[] }
    if (settled === undefined) return
    const alive = new Set(settled)
    // One that was given back or taken anew since is not meant.
    const lost = asked.filter(([id, job]) => !alive.has(job.id) && held.get(id) === job).map(([id]) => id)
    for (const id of lost) held.delete(id)
    if (lost.length > 0) onLost(lost)
  }
  const stopTouching = again(TOUCH_EVERY_MS, touch)
  const stopSupervising = again(SUPERVISE_EVERY_MS, async () => {
    if (started && connectedMs() > SUPERVISE_AFTER_MS) await (await started).supervise(GENERATIONS)
  })

  return {
    ready: async () => void (await boss()),
    async open(connection, generationId, isHeld) {
      const id = jobIdOf(generationId)
      await (await boss()).send(GENERATIONS, { id: generationId }, { id, ...within(connection, isHeld ? [begin(id)] : []) })
    },
    close: async (connection, generationId) =>
      void (await (await boss()).deleteJob(GENERATIONS, jobIdOf(generationId), within(connection))),
    opened: (generationId) => void held.set(generationId, { id: jobIdOf(generationId), retryCount: 0 }),
    closed: (generationId) => void held.delete(generationId),

    claim: async () =>
      claimJobs(await boss(), connections, node, held).catch((error: unknown) => {
        throw failureOf(error) ?? error
      }),

    async takeTurn(work, periodMs) {
      const options = { singletonKey: work, singletonSeconds: Math.max(1, Math.round(periodMs / 1_000)) }
      return (await (await boss()).send(TURNS, {}, options)) !== null
    },

    async stop() {
      await Promise.all([stopTouching(), stopSupervising()])
      const running = await started?.catch(() => null)
      if (!running) return
      if (held.size > 0) await running.fail(GENERATIONS, [...held.values()]).catch(() => {})
      await running.stop({ graceful: false })
    },
  }
}

/** In the transaction of a connection, without a wait between its statement and ours. */
const within = (connection: Connection, and: readonly Statement[] = []): Required<ConnectionOptions> => ({
  db: {
    async executeSql(text, values = []) {
      const [{ rows }] = await Promise.all([connection.run({ text, values }), ...and.map((statement) => connection.run(statement))])
      return { rows: [...rows] }
    },
  },
})

async function startBoss(url: string, connections: Connections): Promise<PgBoss> {
  const boss = new PgBoss({
    connectionString: url,
    application_name: 'imagegate (work)',
    schema: WORK_SCHEMA,
    max: 2,
    supervise: false,
    schedule: false,
    monitorIntervalSeconds: 1,
    monitorVacuum: false,
  })
  // What failed is asked again.
  boss.on('error', () => {})
  try {
    await boss.start()
    await makeQueues(boss)
    await takeLeft(boss, connections)
    return boss
  } catch (error) {
    await boss.stop({ graceful: false }).catch(() => {})
    throw error
  }
}

async function makeQueues(boss: PgBoss): Promise<void> {
  const forever = { retryLimit: 1_000_000_000, retryDelay: 0, retentionSeconds: 3650 * DAY_SECONDS, expireInSeconds: DAY_SECONDS }
  await boss.createQueue(GENERATIONS, { ...forever, heartbeatSeconds: HEARTBEAT_SECONDS })
  await boss.createQueue(TURNS, { retentionSeconds: 2 * DAY_SECONDS })
  await boss.supervise(TURNS)
}

/** Open generations that have no job yet get one; what processes that are gone have left is free where this one is alone. */
async function takeLeft(boss: PgBoss, { read }: Connections): Promise<void> {
  const send = (ids: readonly string[]) =>
    boss.insert(
      GENERATIONS,
      ids.map((id) => ({ id: jobIdOf(id), data: { id } })),
    )

  const left = await read(withoutJob())
  if (left.length > 0) await send(left.map(({ id }) => String(id)))
  const alone = (await read(leftAlone(...LOCKS.owner))).map(({ id }) => String(id))
  if (alone.length > 0) await boss.fail(GENERATIONS, alone)
  await read(freeClaims(...LOCKS.owner))
}

async function claimJobs(boss: PgBoss, { read }: Connections, node: string, held: Map<string, Held>): Promise<readonly Claimed[]> {
  const jobs = await boss.fetch<{ readonly id: string }>(GENERATIONS, { batchSize: MOST_AT_ONCE })
  if (jobs.length === 0) return []
  const ids = jobs.map(({ data }) => data.id)
  const leases = new Map((await read(claim(ids))).map((row) => [String(row['id']), row] as const))
  await read(moveSlots(ids, node))
  const rows = await read(records([...leases.keys()]))
  for (const { id, data, retryCount } of jobs) {
    // Only now: what could not be read is not kept from others.
    if (leases.has(data.id)) held.set(data.id, { id, retryCount })
    else await boss.deleteJob(GENERATIONS, id)
  }
  return rows.map((row) => {
    const record = recordOf(row)
    const of = leases.get(record.id)
    return { record, lease: Number(of?.['lease']), isCancelAsked: of?.['cancel_asked'] === true }
  })
}
