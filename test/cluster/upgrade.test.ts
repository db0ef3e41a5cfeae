import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../crash/nodes.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { NGINX, startCluster } from '../support/cluster.ts'
import type { Cluster } from '../support/cluster.ts'
import { newerVersion } from '../support/newer-version.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'

const SECRET = 'secret-of-sixteen-and-more'
const KEYS = `keys: [{ name: a, key_hash: ${createHash('sha256').update(SECRET).digest('hex')}, scope: admin }]`
const HEADERS = { authorization: `Bearer ${SECRET}`, connection: 'close' }
/** The next version adds to every table: whoever reads one by heart must not mind. */
const STEP = `
  CREATE TABLE notes (id text PRIMARY KEY);
  DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'imagegate' AND tablename NOT IN ('notes', 'rates')
    LOOP EXECUTE format('ALTER TABLE imagegate.%I ADD COLUMN note text', one.tablename); END LOOP;
  END $$;`
const READ = ['/v1/generations', '/v1/costs', '/v1/providers', '/v1/providers/bfl/history?by=hour', '/v1/keys', '/v1/comparisons']

describe.skipIf(POSTGRES_PROGRAMS === null || NGINX === null)('three nodes behind a load balancer', { timeout: 90_000 }, () => {
  let newer: string
  let vendors: Vendors
  let cluster: Cluster
  beforeAll(async () => {
    newer = await newerVersion(STEP)
    vendors = await startVendors({ providers: ['bfl'], typicalMs: 100 })
    cluster = await startCluster(vendors, { more: KEYS })
  }, 60_000)
  afterAll(async () => {
    await cluster.remove()
    await vendors.close()
    rmSync(newer, { recursive: true, force: true })
  })

  const failures: string[] = []
  const reasonOf = (error: unknown): string => inspect(error)
  const buys = async (url: string): Promise<void> => {
    const asked = await ask({ url }, 'bfl/flux-2-pro', { ...HEADERS, prefer: 'wait=5' }).catch(reasonOf)
    if (typeof asked === 'string') failures.push(asked)
    else if (![200, 202].includes(asked.status) || asked.generation.error !== null) failures.push(JSON.stringify(asked))
  }
  const reads = async (url: string): Promise<void> => {
    // Sends what was sent before, as a client does that heard no answer.
    const repeated = await ask({ url }, 'bfl/flux-2-pro', { ...HEADERS, prefer: 'respond-async', 'idempotency-key': 'once' }).catch(
      reasonOf,
    )
    if (typeof repeated === 'string' || ![200, 202].includes(repeated.status)) failures.push(JSON.stringify(repeated))
    for (const path of READ) {
      const reply = await fetch(url + path, { headers: HEADERS }).catch(reasonOf)
      if (typeof reply === 'string' || reply.status !== 200)
        failures.push(`${url}${path} ${typeof reply === 'string' ? reply : await reply.text()}`)
      else await reply.arrayBuffer()
    }
  }

  test('are replaced one by one by a version whose schema has a step more, and no request fails; the older one then refuses in words', async () => {
    const url = cluster.url ?? ''
    const end = new AbortController()
    let rounds = 0
    const client = async (work: (url: string) => Promise<void>): Promise<void> => {
      for (; !end.signal.aborted; rounds++) {
        await work(url)
        await pause(50)
      }
    }
    const clients = [client(buys), client(buys), client(reads)]
    // What is read often is prepared once at each connection, before the schema changes under it.
    for (const node of cluster.nodes) await Promise.all(Array.from({ length: 20 }, () => reads(node.url)))
    await cluster.restart(0, newer)
    // The older ones work under the newer schema.
    for (const node of cluster.nodes) await Promise.all(Array.from({ length: 20 }, () => reads(node.url)))
    for (const index of [1, 2]) await cluster.restart(index, newer)
    end.abort()
    await Promise.all(clients)
    expect([failures, rounds > 20]).toEqual([[], true])
    await cluster.node(0).kill('SIGTERM')
    expect(String(await cluster.startAgain(0).catch(String))).toMatch(
      /the database has schema (\d+) and this version of imagegate knows \d+; run the newer version/,
    )
  })
})
