import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { startOverridden } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { openStorage } from '../support/storages.ts'

useRealSockets()

const LISTS = 40

/** What makes one of its lists slow is a lock here; with much data it is the data. */
test.skipIf(POSTGRES_PROGRAMS === null)(
  'lists of one key that take long in PostgreSQL leave connections for what another key buys',
  { timeout: 60_000 },
  async () => {
    const { url, database } = await gateway()
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

async function gateway() {
  const [storage, vendors] = await Promise.all([openStorage('PostgreSQL and a bucket'), startVendors({ providers: ['runware'] })])
  const keys = ['many', 'few'].map((name) => `{ name: ${name}, key_hash: ${createHash('sha256').update(name).digest('hex')} }`)
  const own = vendors.folder(`${storage.configuration()}keys: [${keys.join(', ')}]\n`)
  const server = await startOverridden({ ...own.environment, ...storage.environment }, { providers: ['runware'] })
  onTestFinished(async () => {
    await server.kill('SIGKILL')
    await vendors.close()
    storage.close()
    own.remove()
  })
  return { url: server.url, database: storage.database ?? '' }
}
