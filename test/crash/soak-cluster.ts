import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startCluster } from '../support/cluster.ts'
import { CHAOS_CONFIGURATION, CHAOS_PROVIDERS, startChaos } from './chaos.ts'
import { startVendors } from './vendors.ts'

/**
 * `npm run soak -- --cluster --generations 1000`: clients buy at three gateways on one PostgreSQL while gateways are killed -9, stopped, frozen
 * for up to 15 seconds and thawed, and the database is stopped as by a crash and started anew. At the end nothing may be lost, sent or settled twice,
 * no vendor may have had more tasks at once than its limit, and the budget must equal the ledger.
 */
const { values } = parseArgs({
  options: {
    cluster: { type: 'boolean' },
    generations: { type: 'string', default: '1000' },
    clients: { type: 'string', default: '16' },
    'in-flight': { type: 'string', default: '8' },
  },
})
const total = Number(values.generations)
const maxInFlight = Number(values['in-flight'])
const vendors = await startVendors({ providers: CHAOS_PROVIDERS, typicalMs: 1_500, maxInFlight })
const cluster = await startCluster(vendors, { more: CHAOS_CONFIGURATION })
const chaos = startChaos(cluster, vendors)
const FAULTS = ['SIGKILL', 'freeze', 'SIGKILL', 'SIGTERM'] as const
const faults = { killed: 0, stopped: 0, frozen: 0, database_restarted: 0 }
const startedAt = performance.now()

let left = total
const clients = Promise.all(
  Array.from({ length: Number(values.clients) }, async () => {
    while (left-- > 0) await chaos.buy()
  }),
)
const state = { isOver: false }
void clients.then(() => (state.isOver = true))

/** One gateway fails at a time, so that those who are left go on with what it had open; the database fails whenever it likes. */
async function failingGateway(): Promise<void> {
  for (let turn = 0; !state.isOver; turn++) {
    const index = Math.floor(Math.random() * 3)
    const fault = FAULTS[turn % FAULTS.length]
    chaos.up.delete(index)
    if (fault === 'freeze') {
      faults.frozen++
      cluster.node(index).signal('SIGSTOP')
      await pause(1_000 + Math.random() * 14_000)
      cluster.node(index).signal('SIGCONT')
    } else {
      faults[fault === 'SIGKILL' ? 'killed' : 'stopped']++
      await cluster.node(index).kill(fault ?? 'SIGKILL')
      await pause(Math.random() * 3_000)
      await startedSomehow(index)
    }
    chaos.up.add(index)
    await pause(Math.random() * 3_000)
  }
}

/** A start that meets a stopped database is refused, as an operator's would be, and done again. */
async function startedSomehow(index: number): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await cluster.startAgain(index)
    } catch (error) {
      if (tries === 20) throw error
      await pause(500)
    }
  }
}

async function failingDatabase(): Promise<void> {
  while (!state.isOver) {
    await pause(5_000 + Math.random() * 20_000)
    if (state.isOver) return
    faults.database_restarted++
    cluster.database.stop(Math.random() < 0.5 ? 'immediate' : 'fast')
    await pause(Math.random() * 3_000)
    cluster.database.start()
  }
}

const report = setInterval(() => process.stderr.write(`${chaos.accepted()} of ${total}\n`), 10_000)
await Promise.all([clients, failingGateway(), failingDatabase()])
clearInterval(report)
const { summary, violations } = await chaos.verdict(maxInFlight, 180_000)
const seconds = Math.round((performance.now() - startedAt) / 1000)
process.stdout.write(`${JSON.stringify({ seconds, ...faults, ...summary, violations }, null, 2)}\n`)
await cluster.remove()
await vendors.close()
process.exitCode = Object.values(violations).every((found) => found.length === 0) ? 0 : 1
