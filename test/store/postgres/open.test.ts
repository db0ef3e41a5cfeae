import pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import { type Store, StoreError } from '../../../src/core/ports.ts'
import { MIGRATIONS } from '../../../src/store/postgres/migrations.ts'
import { openPostgresStore } from '../../../src/store/postgres/store.ts'
import { emptyDatabase, freshDatabase, ownServer, POSTGRES_PROGRAMS } from '../../support/postgres.ts'
import { ledgerEntry } from '../ledger-entries.ts'
import { generationRecord } from '../records.ts'

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
  test('gets its schema once from ten processes that start at once, and belongs to one of them; the others are refused in words', async () => {
    const url = await emptyDatabase()
    const starts = await Promise.allSettled(Array.from({ length: 10 }, () => open(url)))
    const refused = starts.flatMap((start) => (start.status === 'rejected' ? [start.reason as Error] : []))
    expect(refused.map(reasonOf)).toEqual(Array.from({ length: 9 }, () => 'in_use'))
    expect(refused[0]?.message).toMatch(/^another imagegate process uses this database \(connected from .*store\.url$/)
    const [store] = opened.splice(0)
    await store?.close()
    await open(url)
  })

  test('that a newer version has written is refused by an older one, with both versions', async () => {
    const url = await freshDatabase()
    const client = await asked(url)
    await client.query('UPDATE imagegate.schema_version SET version = version + 1')
    const known = MIGRATIONS.length
    await expect(open(url)).rejects.toThrow(new RegExp(`schema ${known + 1} .* knows ${known}; run the newer version`))
  })

  test('takes nothing more from a process whose database another one has taken over', async () => {
    const url = await freshDatabase()
    const store = await open(url)
    await store.commit({ generations: [generationRecord('gen_1')] })
    const client = await asked(url)
    await client.query('UPDATE imagegate.owner SET epoch = epoch + 1')
    const late = store.commit({ generations: [generationRecord('gen_1', { storeMs: 7 }), generationRecord('gen_2')] })
    await expect(late).rejects.toThrow(/another imagegate process has taken over this database; nothing was written/)
    expect([(await store.generation('gen_1'))?.storeMs, await store.generation('gen_2')]).toEqual([null, null])
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
    await expect.poll(() => open(server.url('postgres')).then(() => null, reasonOf)).toBe('in_use')
    await store.close()
  })
})
