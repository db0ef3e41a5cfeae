import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { CostReport, Generation, Reconciliation } from '#contract'
import { startOverridden } from '../crash/process.ts'
import { startOddVendor } from '../support/odd-relay.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { openStorage } from '../support/storages.ts'
import type { StorageName } from '../support/storages.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const POSTGRES = 'PostgreSQL and a bucket'

/** A vendor all of whose tasks fail, and say nothing of their cost. */
function startVendor(): Promise<string> {
  let tasks = 0
  return startOddVendor((sent, path, base) => {
    const id = sent === '' ? new URL(path, base).searchParams.get('id') : `task-${++tasks}`
    return { body: sent === '' ? { id, status: 'Error' } : { id, polling_url: `${base}/v1/get_result?id=${id}` } }
  })
}

/** Gateways on one storage until the test has ended, with a budget for whoever buys. */
async function startShop(name: StorageName, nodes: number) {
  const [storage, vendor] = await Promise.all([openStorage(name), startVendor()])
  const key = `{ name: boss, key_hash: ${createHash('sha256').update('boss').digest('hex')}, admin: true, budget_usd: "1" }`
  const provider = `bfl: { api_key: a-key-0123456, base_url: "${vendor}", surcharge_percent: "10" }`
  const configuration = `${storage.configuration()}keys: [${key}]\nnetwork: { allow: ["127.0.0.0/8"] }\nproviders: { ${provider} }\n`
  const folders = Array.from({ length: nodes }, () => mkdtempSync(join(tmpdir(), 'imagegate-reconcile-')))
  const gateways = await Promise.all(
    folders.map((folder) => {
      const file = join(folder, 'imagegate.yaml')
      writeFileSync(file, configuration)
      return startOverridden(
        { IMAGEGATE_CONFIG: file, IMAGEGATE_DATA: join(folder, 'data'), ...storage.environment },
        { providers: ['bfl'] },
      )
    }),
  )
  onTestFinished(async () => {
    await Promise.all(gateways.map((gateway) => gateway.kill('SIGKILL')))
    storage.close()
    for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  })
  const ask = async (node: number, path: string, body?: string, type = 'application/json'): Promise<unknown> => {
    const headers = { authorization: 'Bearer boss', 'content-type': type, prefer: 'wait=60' }
    return (await fetch(`${gateways[node]?.url}${path}`, { headers, ...(body === undefined ? {} : { method: 'POST', body }) })).json()
  }
  return {
    database: storage.database ?? '',
    async buy(n: number): Promise<Generation> {
      const body = JSON.stringify({ model: 'bfl/flux-2-pro', prompt: 'a tree', width: 256, height: 256, n })
      return (await ask(0, '/v1/generations', body)) as Generation
    },
    show: async (id: string) => (await ask(0, `/v1/generations/${id}`)) as Generation,
    costs: async () => (await ask(0, '/v1/costs')) as CostReport,
    reconcile: async (node: number, task: string, amount: string) => {
      const csv = `task_id,amount\n${task},${amount}\n`
      const { rows } = (await ask(node, '/v1/reconciliations?apply=true', csv, 'text/csv')) as Reconciliation
      return rows.find(({ task_id: id }) => id === task)
    },
  }
}

/** Does works in the moment in which nobody else may write a generation. */
async function whileHeld<Done>(database: string, works: readonly (() => Promise<Done>)[]): Promise<readonly Done[]> {
  const holder = new pg.Client({ connectionString: database })
  await holder.connect()
  await holder.query('BEGIN; SELECT FROM imagegate.generations FOR UPDATE')
  const running = Promise.all(works.map((work) => work()))
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  await holder.end()
  return running
}

const unsettled = async (name: StorageName, nodes: number, n: number) => {
  const shop = await startShop(name, nodes)
  const { id, attempts } = await shop.buy(n)
  return { ...shop, id, tasks: attempts.map(({ provider_task_id: task }) => task ?? '') }
}

test.skipIf(POSTGRES_PROGRAMS === null)(
  'invoices that two gateways read at once settle each task of one generation, and the generation shows both',
  { timeout: 60_000 },
  async () => {
    const { database, id, tasks, show, costs, reconcile } = await unsettled(POSTGRES, 2, 2)
    const works = tasks.map((task, node) => () => reconcile(node, task, '0.02'))
    expect(await whileHeld(database, works)).toMatchObject([{ outcome: 'settled' }, { outcome: 'settled' }])
    expect((await show(id)).cost).toMatchObject({ amount: '0.044', basis: 'billed' })
    expect(await costs()).toMatchObject({ total: { spend: '0.044', unknown_cost_generations: 0 }, budgets: [{ used: '0.044' }] })
  },
)

test.skipIf(POSTGRES_PROGRAMS === null)(
  'a task that two invoices have with other amounts is settled at the first, and the other is said to differ',
  { timeout: 60_000 },
  async () => {
    const { database, id, tasks, show, costs, reconcile } = await unsettled(POSTGRES, 2, 1)
    const [task = ''] = tasks
    const rows = await whileHeld(
      database,
      ['0.04', '0.05'].map((amount, node) => () => reconcile(node, task, amount)),
    )
    expect(new Set(rows.map((row) => row?.outcome))).toEqual(new Set(['differs', 'settled']))
    const settled = rows.find((row) => row?.outcome === 'settled')
    const { total, budgets } = await costs()
    expect(total.spend).toBe(settled?.invoiced === '0.04' ? '0.044' : '0.055')
    expect(budgets?.[0]?.used).toBe(total.spend)
    expect((await show(id)).cost.amount).toBe(total.spend)
  },
)

test('an invoice that is read again has what the account has, also where a surcharge was added', { timeout: 60_000 }, async () => {
  const { tasks, costs, reconcile } = await unsettled('SQLite and files', 1, 1)
  const [task = ''] = tasks
  expect(await reconcile(0, task, '0.02')).toMatchObject({ outcome: 'settled' })
  expect(await reconcile(0, task, '0.02')).toMatchObject({ outcome: 'equal', recorded: '0.022' })
  expect((await costs()).total.spend).toBe('0.022')
})
