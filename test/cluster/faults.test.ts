import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { CHAOS_CONFIGURATION, CHAOS_PROVIDERS, startChaos } from '../crash/chaos.ts'
import { startVendors } from '../crash/vendors.ts'
import { startCluster } from '../support/cluster.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'

const MOST_IN_FLIGHT = 6
/** A node that says nothing for 10 seconds is taken for dead, and others go on with what it had open within 15. */
const TAKEN_OVER_MS = 15_000
const TAKES_OVER = /"time":(\d+),[^\n]*open generations of another process continue here/g

/** `npm run soak -- --cluster` is the long form. */
test.skipIf(POSTGRES_PROGRAMS === null)(
  'three nodes that are killed, frozen and thawed, while the database is started anew, lose nothing, send nothing twice, settle once and keep to the limit',
  { timeout: 180_000 },
  async () => {
    const vendors = await startVendors({ providers: CHAOS_PROVIDERS, typicalMs: 400, maxInFlight: MOST_IN_FLIGHT })
    const cluster = await startCluster(vendors, { more: CHAOS_CONFIGURATION, recoverMs: 5_000 })
    try {
      const chaos = startChaos(cluster, vendors)
      const end = new AbortController()
      const clients = Array.from({ length: 12 }, async () => {
        for (; !end.signal.aborted; await pause(100)) await chaos.buy()
      })
      const bought = (count: number) => expect.poll(chaos.accepted, { timeout: 60_000, interval: 20 }).toBeGreaterThanOrEqual(count)
      const takenAfter = (since: number): number => {
        const times = [...`${cluster.node(1).said()}${cluster.node(2).said()}`.matchAll(TAKES_OVER)].map(([, at]) => Number(at))
        return Math.min(...times.filter((at) => at > since)) - since
      }

      await bought(30)
      chaos.up.delete(0)
      cluster.node(0).signal('SIGSTOP')
      const frozenAt = Date.now()
      await bought(60)
      chaos.up.delete(1)
      await cluster.node(1).kill('SIGKILL')
      await cluster.startAgain(1)
      chaos.up.add(1)
      await expect.poll(() => takenAfter(frozenAt), { timeout: 2 * TAKEN_OVER_MS }).toBeLessThan(TAKEN_OVER_MS)
      cluster.node(0).signal('SIGCONT')
      chaos.up.add(0)
      cluster.database.stop('immediate')
      await pause(500)
      cluster.database.start()
      await bought(chaos.accepted() + 40)
      end.abort()
      await Promise.all(clients)

      const { summary, violations } = await chaos.verdict(MOST_IN_FLIGHT, 60_000)
      const found = Object.entries(violations).filter(([, list]) => list.length > 0)
      expect(found, JSON.stringify(summary)).toEqual([])
    } finally {
      await cluster.remove()
      await vendors.close()
    }
  },
)
