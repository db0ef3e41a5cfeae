import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHAOS_CONFIGURATION, CHAOS_PROVIDERS, startChaos } from '../crash/chaos.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { startCluster } from '../support/cluster.ts'
import type { Cluster } from '../support/cluster.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'

const GENERATIONS = 150
const CLIENTS = 24
const MOST_IN_FLIGHT = 8
const WAIT = { timeout: 60_000 }

/** Open generations whose node was not heard of for a while: those of one that lives are said every three seconds. */
async function unheardOf(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ readonly count: string }>(`
      SELECT count(*) FROM imagegate_work.job WHERE name = 'generations' AND state = 'active' AND heartbeat_on < now() - interval '5 seconds'`)
    return Number(rows[0]?.count)
  } finally {
    await client.end()
  }
}

/** `npm run soak -- --cluster` does it for minutes, and by chance. */
describe.skipIf(POSTGRES_PROGRAMS === null)('three nodes under faults', { timeout: 330_000 }, () => {
  let vendors: Vendors
  let cluster: Cluster
  beforeAll(async () => {
    vendors = await startVendors({ providers: CHAOS_PROVIDERS, typicalMs: 400, maxInFlight: MOST_IN_FLIGHT })
    cluster = await startCluster(vendors, { more: CHAOS_CONFIGURATION, overrides: { patience: { recoverMs: 3_000 } } })
  }, 60_000)
  afterAll(async () => {
    await cluster.remove()
    await vendors.close()
  })

  test('killed, frozen past their lease and thawed, while PostgreSQL crashes, lose nothing, send and settle nothing twice, and keep to every limit', async () => {
    const chaos = startChaos(cluster, vendors)
    const sold = (): number => CHAOS_PROVIDERS.reduce((sum, provider) => sum + vendors.submits(provider), 0)
    const [frozen, killed, last] = [0, 1, 2].map((index) => cluster.node(index))
    if (!frozen || !killed || !last) throw new Error('three nodes were started')
    let left = GENERATIONS
    const clients = Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        while (left-- > 0) await chaos.buy()
      }),
    )

    const crashed = (): void => {
      cluster.database.stop('immediate')
      cluster.database.start()
    }

    await expect.poll(sold, WAIT).toBeGreaterThan(15)
    crashed()
    const before = sold()
    await expect.poll(sold, WAIT).toBeGreaterThan(before + 15)
    chaos.up.delete(0)
    chaos.up.delete(1)
    frozen.signal('SIGSTOP')
    void killed.kill('SIGKILL')
    const diedAt = Date.now()
    await cluster.startAgain(1)
    chaos.up.add(1)

    const took = () =>
      [cluster.node(1), last].flatMap((node) => [
        ...node.said().matchAll(/"time":(\d+),[^\n]*open generations of another process continue here/g),
      ])
    await expect.poll(() => took().length, WAIT).toBeGreaterThan(0)
    expect(Number(took()[0]?.[1]) - diedAt).toBeLessThan(15_000)
    await expect.poll(() => unheardOf(cluster.databaseUrl), WAIT).toBe(0)
    frozen.signal('SIGCONT')
    await expect.poll(async () => (await fetch(`${frozen.url}/readyz`)).status, WAIT).toBe(200)
    chaos.up.add(0)
    crashed()

    await clients
    const { summary, violations } = await chaos.verdict(MOST_IN_FLIGHT, 150_000)
    expect(Object.entries(violations).filter(([, found]) => found.length > 0)).toEqual([])
    expect(summary).toMatchObject({ generations: GENERATIONS })
  })
})
