import { useRealSockets } from '../transport/real-sockets.ts'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { gatewayOfTwoKeys } from '../support/two-keys-on-postgres.ts'

useRealSockets()

const LISTS = 40

/** What makes one of its lists slow is a lock here; with much data it is the data. */
test.skipIf(POSTGRES_PROGRAMS === null)(
  'lists of one key that take long in PostgreSQL leave connections for what another key buys',
  { timeout: 60_000 },
  async () => {
    const { url, database } = await gatewayOfTwoKeys()
    const ask = (key: string, path: string, body?: object): Promise<Response> =>
      fetch(url + path, {
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
      })
    const holder = new pg.Client({ connectionString: database })
    await holder.connect()
    onTestFinished(() => holder.end())
    await holder.query('BEGIN; LOCK TABLE imagegate.comparisons IN ACCESS EXCLUSIVE MODE')
    let answered = 0
    const lists = Array.from({ length: LISTS }, () => ask('many', '/v1/comparisons').then(() => (answered += 1)))
    const reply = await ask('few', '/v1/generations', { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 })
    expect(await reply.json()).toMatchObject({ status: 'succeeded' } satisfies Partial<Generation>)
    // One that waits for a lock is given up after three seconds: what is bought has not waited for most of them.
    expect(answered).toBeLessThan(LISTS / 2)
    await holder.query('ROLLBACK')
    await Promise.all(lists)
  },
)
