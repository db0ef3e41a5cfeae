import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { FIRST_LEASE, LeaseLost, NoSlot, TooManyOpen } from '../../../src/core/nodes.ts'
import { type Store, StoreError } from '../../../src/core/ports.ts'
import { OPEN_OF } from '../../../src/store/postgres/locks.ts'
import { migrate } from '../../../src/store/postgres/migrate.ts'
import { MIGRATIONS } from '../../../src/store/postgres/migrations.ts'
import { openPostgresStore } from '../../../src/store/postgres/store.ts'
import { emptyDatabase, freshDatabase, ownServer, POSTGRES_PROGRAMS } from '../../support/postgres.ts'
import { ledgerEntry } from '../ledger-entries.ts'
import { deliveryRecord } from '../delivery-conformance.ts'
import { attemptRecord, generationRecord } from '../records.ts'

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

async function open(url: string, patienceMs = 0): Promise<Store> {
  const store = await openPostgresStore(url, { patienceMs })
  opened.push(store)
  return store
}

async function asked(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  opened.push({ close: () => client.end() })
  return client
}

const reasonOf = (error: unknown): string | null => (error instanceof StoreError ? error.reason : null)

describe.skipIf(POSTGRES_PROGRAMS === null)('a database of PostgreSQL', { timeout: 60_000 }, () => {
  test('gets its schema once from ten processes that start at once, and all of them use it', async () => {
    const url = await emptyDatabase()
    const stores = await Promise.all(Array.from({ length: 10 }, () => open(url)))
    await Promise.all(stores.map((store, index) => store.commit({ generations: [generationRecord(`gen_${index}`)], areNew: true })))
    for (const store of stores) expect((await store.list({ limit: 20 })).records).toHaveLength(10)
  })

  test('that a process of the version before keeps to itself is refused in words, and refuses such a process', async () => {
    const url = await freshDatabase()
    const client = await asked(url)
    await client.query('SELECT pg_advisory_lock(1768776039, 2)')
    await expect(open(url)).rejects.toThrow(
      /^another imagegate process uses this database \(connected from .* an older version.*store\.url$/,
    )
    await client.query('SELECT pg_advisory_unlock_all()')
    await open(url)
    const { rows } = await client.query('SELECT pg_try_advisory_lock(1768776039, 2) AS taken')
    expect(rows).toEqual([{ taken: false }])
  })

  test('whose schema is made newer breaks off no transaction of a gateway that works on, whatever order each takes the tables in', async () => {
    const url = await freshDatabase()
    const [gateway, newer] = [await asked(url), await asked(url)]
    for (const client of [gateway, newer]) await client.query('SET search_path TO imagegate')
    await gateway.query('BEGIN')
    await gateway.query('LOCK TABLE ledger IN ROW EXCLUSIVE MODE')
    const step = 'ALTER TABLE generations ADD COLUMN note text; ALTER TABLE ledger ADD COLUMN note text;'
    const run: Parameters<typeof migrate>[0] = async ({ text, values }) => {
      const { rows: found, rowCount } = await newer.query(values.length === 0 ? text : { text, values: [...values] })
      return { rows: found, count: rowCount ?? 0 }
    }
    const made = migrate(run, [...MIGRATIONS, step])
    const { rows } = await gateway.query('SELECT pg_backend_pid() AS own')
    const waits = async (): Promise<unknown> =>
      (await gateway.query('SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND pid <> $1', [rows[0]?.own])).rows[0]?.n
    await expect.poll(waits, { interval: 10 }).toBe(1)
    // Each waits for the other now.
    await gateway.query('LOCK TABLE generations IN ROW EXCLUSIVE MODE')
    await gateway.query('COMMIT')
    await made
    await gateway.query('SELECT note FROM generations')
  })

  test('that a newer version has written is refused by an older one, with both versions', async () => {
    const url = await freshDatabase()
    const client = await asked(url)
    await client.query('UPDATE imagegate.schema_version SET version = version + 1')
    const known = MIGRATIONS.length
    await expect(open(url)).rejects.toThrow(new RegExp(`schema ${known + 1} .* knows ${known}; run the newer version`))
  })

  test('takes nothing of a generation from a process that another one has taken it over from, and has one process at a time work on it', async () => {
    const url = await freshDatabase()
    const [first, second] = [await open(url), await open(url)]
    await first.commit({ generations: [generationRecord('gen_1')], areNew: true, lease: FIRST_LEASE })
    expect([await first.claimOpen(), await second.claimOpen()]).toEqual([[], []])
    const client = await asked(url)
    await client.query(`UPDATE imagegate_work.job SET heartbeat_on = now() - interval '11 seconds'`)
    await client.query(`UPDATE imagegate_work.job SET state = 'retry' WHERE heartbeat_on < now() - interval '10 seconds'`)
    const claimed = await second.claimOpen()
    expect(claimed).toMatchObject([{ record: { id: 'gen_1' }, lease: FIRST_LEASE + 1, isCancelAsked: false }])
    const late = { generations: [generationRecord('gen_1', { storeMs: 7 })], ledger: [ledgerEntry('gen_1')] }
    await expect(first.commit({ ...late, lease: FIRST_LEASE })).rejects.toThrow(LeaseLost)
    expect((await second.generation('gen_1'))?.storeMs).toBeNull()
    await second.commit({ ...late, lease: FIRST_LEASE + 1 })
    expect((await first.generation('gen_1'))?.storeMs).toBe(7)
    await second.close()
    expect((await first.claimOpen()).map(({ lease }) => lease)).toEqual([FIRST_LEASE + 2])
  })

  test('hands out no webhook that another process delivers while it is asked what is due', async () => {
    const url = await freshDatabase()
    const store = await open(url)
    await store.commit({ deliveries: [deliveryRecord('msg_1', { nextTryAt: 1_000 })] })
    const other = await asked(url)
    await other.query(`BEGIN; UPDATE imagegate.webhook_deliveries SET status = 'delivered', next_try_at = NULL`)
    const claimed = store.claimDeliveries({
      now: 2_000,
      leaseMs: 500,
      limit: 10,
      perOrigin: 10,
      perKey: 10,
      underWay: { byOrigin: new Map(), byKey: new Map() },
    })
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    await expect.poll(async () => (await other.query(waiting)).rowCount, { timeout: 10_000 }).toBe(1)
    await other.query('COMMIT')
    expect((await claimed).records).toEqual([])
  })

  test('lets a provider have as many unfinished tasks as it may, those of all processes together', async () => {
    const url = await freshDatabase()
    const stores = [await open(url), await open(url), await open(url)]
    const buy = async (index: number, store: Store | undefined): Promise<void> => {
      const attempt = attemptRecord(`att_${index}`, { status: 'submitting', submittedAt: 1 })
      const generations = [generationRecord(`gen_${index}`, { attempts: [attempt], status: 'running' })]
      await store?.commit({
        generations,
        areNew: true,
        lease: FIRST_LEASE,
        slots: [{ provider: 'p', attemptId: attempt.id, key: null, limit: 7 }],
      })
    }
    const bought = await Promise.allSettled(Array.from({ length: 60 }, (_, index) => buy(index, stores[index % 3])))
    const refused = bought.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
    expect(refused.map((reason) => reason instanceof NoSlot)).toEqual(Array.from({ length: 53 }, () => true))
    const [index] = bought.flatMap(({ status }, at) => (status === 'fulfilled' ? [at] : []))
    const freed = stores.map((store) => new Promise((resolve) => store.nodes?.onMessage(({ kind }) => kind === 'freed' && resolve(kind))))
    const ended = attemptRecord(`att_${index}`, { status: 'failed', submittedAt: 1, endedAt: 2 })
    await stores[0]?.commit({ generations: [generationRecord(`gen_${index}`, { attempts: [ended], status: 'failed' })] })
    await Promise.all(freed)
    await buy(100, stores[1])
    await expect(buy(101, stores[2])).rejects.toThrow(NoSlot)
  })

  test('lets a gateway key have as many open generations as it may, those of all processes together, and as few once that is lowered', async () => {
    const url = await freshDatabase()
    const stores = [await open(url), await open(url), await open(url)]
    let count = 0
    const accept = async (most: number, key = 'team-a'): Promise<void> => {
      const generations = [generationRecord(`gen_${++count}`, { key })]
      await stores[count % 3]?.commit({ generations, areNew: true, lease: FIRST_LEASE, openCheck: { key, most } })
    }
    const accepted = await Promise.allSettled(Array.from({ length: 60 }, () => accept(7)))
    const refused = accepted.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []))
    expect(refused.map((reason) => reason instanceof TooManyOpen)).toEqual(Array.from({ length: 53 }, () => true))
    await accept(7, 'team-b')
    // So far from the limit nobody counts for a moment, but where it is lowered in that moment.
    for (let more = 0; more < 6; more++) await accept(20_000)
    await expect(accept(7)).rejects.toThrow(TooManyOpen)
    const ended = accepted.findIndex(({ status }) => status === 'fulfilled') + 1
    await stores[0]?.commit({ generations: [generationRecord(`gen_${ended}`, { key: 'team-a', status: 'failed' })] })
    await expect(accept(12)).rejects.toBeInstanceOf(TooManyOpen)
    await accept(13)
  })

  test('tries an acceptance against a budget again where others of its key hold it up for longer than it waits', async () => {
    const url = await freshDatabase()
    const [store, other] = [await open(url), await asked(url)]
    await other.query('BEGIN')
    await other.query("SELECT pg_advisory_xact_lock($1, hashtext('team'))", [OPEN_OF])
    const accepted = store.commit({
      generations: [generationRecord('gen_1', { key: 'team' })],
      areNew: true,
      lease: FIRST_LEASE,
      openCheck: { key: 'team', most: 7 },
      ledger: [ledgerEntry('gen_1', { key: 'team', kind: 'reserved', amount: '0.03', period: 'total' })],
      budget: { key: 'team', period: 'total', periodStart: 0, renewsAt: null, limit: '1' },
    })
    // More than the three seconds after which a statement gives up.
    await Promise.all([sleep(4_500).then(() => other.query('COMMIT')), expect(accepted).resolves.toBeUndefined()])
  })

  test('gives slots in turns to gateway keys that wait at different processes', async () => {
    const url = await freshDatabase()
    const [one, other] = [await open(url), await open(url)]
    let count = 0
    let held: { readonly generation: string; readonly attempt: string } | null = null
    const buy = async (store: Store, key: string): Promise<void> => {
      const [generation, attempt] = [`gen_${++count}`, `att_${count}`]
      const attempts = [attemptRecord(attempt, { status: 'submitting', submittedAt: 1 })]
      const slots = [{ provider: 'p', attemptId: attempt, key, limit: 1 }]
      await store.commit({
        generations: [generationRecord(generation, { attempts, status: 'running' })],
        areNew: true,
        lease: FIRST_LEASE,
        slots,
      })
      held = { generation, attempt }
    }
    const free = async (): Promise<void> => {
      const attempts = [attemptRecord(held?.attempt ?? '', { status: 'failed', submittedAt: 1, endedAt: 2 })]
      await one.commit({ generations: [generationRecord(held?.generation ?? '', { attempts, status: 'failed' })] })
    }
    const client = await asked(url)
    const waiting = async (): Promise<number> =>
      Number((await client.query<{ n: string }>('SELECT count(*) AS n FROM imagegate.slot_turns')).rows[0]?.n)
    await buy(one, 'many')
    one.nodes?.waitForSlots('p', ['many'])
    await expect.poll(waiting).toBe(1)
    other.nodes?.waitForSlots('p', ['few'])
    await expect.poll(waiting).toBe(2)
    await expect(buy(one, 'many')).rejects.toThrow(NoSlot)
    await free()
    await expect(buy(other, 'few')).rejects.toThrow(NoSlot)
    await buy(one, 'many')
    await free()
    await expect(buy(one, 'many')).rejects.toThrow(NoSlot)
    await buy(other, 'few')
    await free()
    // It waits no more, and keeps nobody waiting.
    other.nodes?.waitForSlots('p', [])
    await expect
      .poll(
        () =>
          buy(one, 'many')
            .then(() => 'bought')
            .catch(() => 'refused'),
        { timeout: 3_000 },
      )
      .toBe('bought')
  })

  test('gives each turn of a periodic work to one process', async () => {
    const url = await freshDatabase()
    const stores = [await open(url), await open(url), await open(url)]
    const turns = await Promise.all(stores.map(async (store) => store.nodes?.takeTurn('sweep', 3_600_000)))
    expect(turns.filter(Boolean).length).toBe(1)
  })

  test('whose connections are cut again and again while it writes has what it acknowledged, once, and nothing of what it refused', async () => {
    const url = await freshDatabase()
    const store = await open(url)
    const client = await asked(url)
    const cutting = (async () => {
      for (let cuts = 0; cuts < 8; cuts++) {
        await client.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.3`,
        )
        await new Promise((resolve) => setTimeout(resolve, 15))
      }
    })()
    const ids = Array.from({ length: 8 }, (_, lane) => Array.from({ length: 12 }, (_, index) => `gen_${lane}_${index}`))
    const written = new Map<string, boolean>()
    await Promise.all(
      ids.map(async (lane) => {
        for (const id of lane) {
          const unit = { generations: [generationRecord(id)], areNew: true, ledger: [ledgerEntry(id)] }
          await store.commit(unit).then(
            () => written.set(id, true),
            (error: unknown) => {
              if (reasonOf(error) !== 'unreachable') throw error
              written.set(id, false)
            },
          )
        }
      }),
    )
    await cutting
    const { rows } = await client.query<{ id: string; lines: string }>(
      'SELECT g.id, (SELECT count(*) FROM imagegate.ledger AS l WHERE l.generation_id = g.id) AS lines FROM imagegate.generations AS g',
    )
    expect(new Map(rows.map(({ id, lines }) => [id, lines]))).toEqual(
      new Map([...written].flatMap(([id, isThere]) => (isThere ? [[id, '1'] as const] : []))),
    )
    expect(rows.length).toBeGreaterThan(20)
  })

  test('that is stopped and started again refuses meanwhile, in words, and goes on by itself', async () => {
    const server = ownServer()
    opened.push({ close: async () => server.remove() })
    const store = await open(server.url('postgres'))
    await store.commit({ generations: [generationRecord('gen_1')] })
    server.stop('immediate')
    await expect(store.commit({ generations: [generationRecord('gen_2')] })).rejects.toThrow(/cannot be reached; nothing was written/)
    await expect(store.generation('gen_1')).rejects.toMatchObject({ reason: 'unreachable' })
    server.start()
    await store.commit({ generations: [generationRecord('gen_3')] })
    expect((await store.list({ limit: 5 })).records.map(({ id }) => id)).toEqual(['gen_3', 'gen_1'])
    await store.close()
  })
})
