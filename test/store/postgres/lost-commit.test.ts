import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { FIRST_LEASE, NoSlot } from '../../../src/core/nodes.ts'
import { openPostgresStore } from '../../../src/store/postgres/store.ts'
import { ownServer, POSTGRES_PROGRAMS } from '../../support/postgres.ts'
import { attemptRecord, generationRecord } from '../records.ts'

const SOCKET = '.s.PGSQL.5432'

/** A way to a server on which, once it is asked to, the next commit gets lost, and everything after it. */
async function startWay(server: string) {
  const folder = await mkdtemp(join(tmpdir(), 'imagegate-way-'))
  const lost = Promise.withResolvers<void>()
  const state = { isAsked: false, isLost: false }
  const sockets = new Set<net.Socket>()
  const way = net.createServer((client) => {
    const there = net.connect(join(server, SOCKET))
    let name = 'COMMIT'
    for (const one of [client, there]) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => (client.destroy(), there.destroy()))
    }
    client.on('data', (data) => {
      const text = data.toString('latin1')
      name = /(imagegate_\d+)\0COMMIT/.exec(text)?.[1] ?? name
      if (state.isAsked && text.includes(`${name}\0`)) {
        state.isLost = true
        lost.resolve()
      }
      if (!state.isLost) there.write(data)
    })
    there.on('data', (data) => client.write(data))
  })
  await new Promise<void>((resolve) => way.listen(join(folder, SOCKET), resolve))
  return {
    url: `postgres://gateway@localhost/postgres?host=${encodeURIComponent(folder)}`,
    loseCommit: () => ((state.isAsked = true), lost.promise),
    repair: () => Object.assign(state, { isAsked: false, isLost: false }),
    close() {
      way.close()
      sockets.forEach((one) => one.destroy())
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

describe.skipIf(POSTGRES_PROGRAMS === null)('a commit that is lost in a crash of the database', { timeout: 60_000 }, () => {
  test.each([
    ['another transaction has got its number since', 20],
    ['nobody has got its number yet', 0],
  ])('is written again where %s', async (_, others) => {
    const server = ownServer()
    const folder = new URL(server.url('postgres')).searchParams.get('host') ?? ''
    const way = await startWay(folder)
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
})
