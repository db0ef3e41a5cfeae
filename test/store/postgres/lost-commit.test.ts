import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { FIRST_LEASE, NoSlot } from '../../../src/core/nodes.ts'
import { openPostgresStore } from '../../../src/store/postgres/store.ts'
import { ownServer, POSTGRES_PROGRAMS } from '../../support/postgres.ts'
import { startWay } from '../../support/postgres-way.ts'
import { attemptRecord, generationRecord } from '../records.ts'

/** That a store has. */
const MOST_CONNECTIONS = 10

describe.skipIf(POSTGRES_PROGRAMS === null)('a commit that is lost in a crash of the database', { timeout: 60_000 }, () => {
  test.each([
    ['another transaction has got its number since', 20],
    ['nobody has got its number yet', 0],
  ])('is written again where %s', async (_, others) => {
    const server = ownServer()
    const way = await startWay(server)
    const store = await openPostgresStore(way.url)
    const queued = generationRecord('gen_1', { attempts: [attemptRecord('att_1', { status: 'queued' })], status: 'queued' })
    await store.commit({ generations: [queued], areNew: true, lease: FIRST_LEASE })

    const intent = (n: number) => ({
      generations: [
        generationRecord(`gen_${n}`, {
          attempts: [attemptRecord(`att_${n}`, { status: 'submitting', submittedAt: 1 })],
          status: 'running',
        }),
      ],
      lease: FIRST_LEASE,
      slots: [{ provider: 'p', attemptId: `att_${n}`, key: null, limit: 1 }],
    })
    const lost = way.loseCommit()
    const bought = store.commit(intent(1)).then(() => 'bought', String)
    await lost
    server.stop('immediate')
    server.start()
    const other = new pg.Client({ connectionString: server.url('postgres') })
    await other.connect()
    // The server gives the lost number to one of these.
    for (let count = 0; count < others; count++) await other.query('SELECT pg_current_xact_id()')
    way.repair()
    const outcome = await bought
    const slots = (await other.query('SELECT attempt_id FROM imagegate.slots')).rows
    const status = (await other.query('SELECT status FROM imagegate.generations')).rows
    const second = await store.commit({ ...intent(2), areNew: true }).then(
      () => 'bought',
      (error: unknown) => (error instanceof NoSlot ? 'no slot' : String(error)),
    )
    await other.end()
    await store.close()
    way.close()
    server.remove()
    expect([outcome, slots, status, second]).toEqual(['bought', [{ attempt_id: 'att_1' }], [{ status: 'running' }], 'no slot'])
  })

  test('leaves connections by which its fate is asked, also where as many commits are lost at once as there are connections', async () => {
    const server = ownServer()
    const way = await startWay(server)
    const store = await openPostgresStore(way.url)
    const accept = (id: string): Promise<void> =>
      store.commit({
        generations: [generationRecord(id, { attempts: [attemptRecord(`att_${id}`, { status: 'queued' })], status: 'queued' })],
        areNew: true,
        lease: FIRST_LEASE,
      })
    // The first of a day writes its names, for which others would wait.
    await accept('gen_first')
    const lost = way.loseCommits(MOST_CONNECTIONS)
    const ids = Array.from({ length: MOST_CONNECTIONS }, (_, index) => `gen_${index}`)
    const writing = Promise.all(ids.map(accept))
    await lost
    way.cut()
    await writing
    const found = await Promise.all(ids.map((id) => store.generation(id)))
    await store.close()
    way.close()
    server.remove()
    expect(found.map((record) => record?.id)).toEqual(ids)
  })
})
