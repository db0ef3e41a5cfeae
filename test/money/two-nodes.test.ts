import { createHash } from 'node:crypto'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { CostReport, Generation } from '#contract'
import { startOverridden } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { openStorage } from '../support/storages.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')
const keysWith = (ofTeam: string): string =>
  `keys: [{ name: boss, admin: true, key_hash: ${hashOf('boss')} }, { name: team, key_hash: ${hashOf('team')}${ofTeam} }]\n`

/** Two gateways on one PostgreSQL until the test has ended. */
async function twoGateways(ofTeam: string, typicalMs: number) {
  const [storage, vendors] = await Promise.all([openStorage('PostgreSQL and a bucket'), startVendors({ providers: ['bfl'], typicalMs })])
  const write = (more: string): string => storage.configuration() + keysWith(more)
  const own = [vendors.folder(write(ofTeam)), vendors.folder(write(ofTeam))]
  const gateways = await Promise.all(
    own.map(({ environment }) => startOverridden({ ...environment, ...storage.environment }, { providers: ['bfl'] })),
  )
  const connect = async () => {
    const client = new pg.Client({ connectionString: storage.database ?? '' })
    await client.connect()
    return client
  }
  const [database, holder] = [await connect(), await connect()]
  onTestFinished(async () => {
    await Promise.all([database.end(), holder.end()])
    await Promise.all(gateways.map((gateway) => gateway.kill('SIGKILL')))
    await vendors.close()
    storage.close()
    for (const folder of own) folder.remove()
  })
  const ask = async (node: number, key: string, path: string, body?: object): Promise<unknown> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', prefer: 'respond-async' }
    const reply = await fetch(`${gateways[node]?.url}${path}`, { headers, ...(body && { method: 'POST', body: JSON.stringify(body) }) })
    return reply.json()
  }
  return {
    holder,
    database,
    configure: (more: string) => own.forEach((folder) => folder.write(write(more))),
    buy: async (node: number, key: string) =>
      (await ask(node, key, '/v1/generations', { model: 'flux-2-pro', prompt: 'a tree', width: 1024, height: 1024 })) as Generation,
    statusOf: async (id: string) => ((await ask(0, 'boss', `/v1/generations/${id}`)) as Generation).status,
    budget: async (node: number) => ((await ask(node, 'team', '/v1/costs')) as CostReport).budgets?.[0],
  }
}

test.skipIf(POSTGRES_PROGRAMS === null)(
  'a budget whose first purchase comes while another gateway writes the end of an earlier one counts both',
  { timeout: 60_000 },
  async () => {
    const { database, holder, configure, buy, statusOf, budget } = await twoGateways('', 1_000)
    const { id: first } = await buy(0, 'boss')
    await expect.poll(() => statusOf(first), { timeout: 20_000 }).toBe('succeeded')
    const { id: before } = await buy(0, 'team')
    // Its end waits there, as where its gateway stands still.
    await holder.query('BEGIN; SELECT FROM imagegate.provider_hours FOR UPDATE')
    const waiting = async () =>
      (await database.query("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INTO ledger%'")).rowCount
    await expect.poll(waiting, { timeout: 20_000 }).toBe(1)
    configure(', budget_usd: "0.1", period: month')
    await expect.poll(() => budget(1), { timeout: 15_000 }).toMatchObject({ used: '0' })
    const bought = buy(1, 'team')
    await Promise.race([bought, new Promise((resolve) => setTimeout(resolve, 1_000))])
    await holder.query('ROLLBACK')
    await expect.poll(() => statusOf(before), { timeout: 20_000 }).toBe('succeeded')
    const { id: behind } = await bought
    await expect.poll(() => statusOf(behind), { timeout: 20_000 }).toBe('succeeded')
    expect(await budget(1)).toMatchObject({ limit: '0.1', used: '0.06' })
  },
)
