import pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import type { Store } from '../../../src/core/ports.ts'
import { createRateLimit } from '../../../src/http/limits/rate.ts'
import { openPostgresStore } from '../../../src/store/postgres/store.ts'
import { freshDatabase, POSTGRES_PROGRAMS } from '../../support/postgres.ts'
import { settlement } from '../ledger-entries.ts'

const DAY_MS = 86_400_000
const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

/** A store, and a connection on which the database becomes as a server left it whose clock was ahead. */
async function open(): Promise<{ readonly store: Store; readonly client: pg.Client }> {
  const url = await freshDatabase()
  const store = await openPostgresStore(url)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query('SET search_path TO imagegate')
  opened.push({ close: () => client.end() }, store)
  return { store, client }
}

describe.skipIf(POSTGRES_PROGRAMS === null)('a server whose clock was days ahead and is set right', { timeout: 60_000 }, () => {
  test('hides no cost of a day that was added up before its end from reports', async () => {
    const { store, client } = await open()
    const today = Math.floor(Date.now() / DAY_MS)
    const nothing = JSON.stringify({ apart: [], names: [], hasOtherNames: false })
    await client.query('INSERT INTO cost_days (day, claim, about) VALUES ($1, $2, $3)', [today, 'of an hour that never was', nothing])
    await store.commit({ ledger: [settlement('gen_1', 'att_1', { at: Date.now(), amount: '0.04' })] })
    const lines = (await Array.fromAsync(store.costSums({ from: null, to: null, key: null }))).flat()
    expect(lines).toHaveLength(1)
    expect(await store.addUpDay(Date.now(), new AbortController().signal)).toBe(false)
    expect((await client.query('SELECT day FROM cost_days')).rows).toEqual([])
  })

  test('sends no caller away for days', async () => {
    const { store, client } = await open()
    const limit = createRateLimit('key', (...asked) => store.nodes?.limiter(...asked) ?? expect.unreachable())
    for (let count = 0; count < 2; count++) expect(await limit.take('team', 2)).toBeUndefined()
    expect(await limit.take('team', 2)).toMatchObject({ details: { code: 'rate_limited' } })
    await client.query('UPDATE rates SET expire = expire + $1', [3 * DAY_MS])
    expect(await limit.take('team', 2)).toBeUndefined()
    expect(await limit.takeMore('team', 2, 2)).toMatchObject({ msBeforeNext: expect.toSatisfy((ms: number) => ms <= 60_000) })
  })

  test('keeps no delivery back that was planned, or claimed, by then', async () => {
    const { store, client } = await open()
    const [now, latest] = [Date.now(), Date.now() + DAY_MS / 2]
    const add = (id: string, at: number, claimed: number) =>
      client.query(
        `INSERT INTO webhook_deliveries (id, created_at, generation_id, status, origin, next_try_at, record, claimed_until) VALUES ($1, $2, 'gen_1', 'pending', '', $3, $4, $5)`,
        [id, now, at, JSON.stringify({ id }), claimed],
      )
    await add('whd_planned', now + 3 * DAY_MS, 0)
    await add('whd_claimed', now, now + 3 * DAY_MS)
    await add('whd_later', now + 60_000, 0)
    await store.planLateDeliveries(latest, now)
    const asked = { now, leaseMs: 1_000, limit: 9, perOrigin: 9, perKey: 9, underWay: { byOrigin: new Map(), byKey: new Map() } }
    const { records } = await store.claimDeliveries(asked)
    expect(records.map(({ id }) => id).toSorted()).toEqual(['whd_claimed', 'whd_planned'])
  })
})
