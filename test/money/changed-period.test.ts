import { createHash } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import type { CostReport, Generation } from '#contract'
import { startStored } from '../support/stored-gateway.ts'
import { STORAGES } from '../support/storages.ts'
import type { StorageName } from '../support/storages.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const keyWith = (more: string) => `keys: [{ name: team, key_hash: ${createHash('sha256').update('team').digest('hex')}${more} }]\n`
const budgetOf = (limit: string, period: string) => `, budget_usd: "${limit}", period: ${period}`

async function startWith(name: StorageName, more: string, typicalMs = 20) {
  const { server, configure, close } = await startStored(name, { providers: ['bfl'], more: keyWith(more), typicalMs })
  onTestFinished(close)
  const headers = { authorization: 'Bearer team', 'content-type': 'application/json' }
  const buy = async (prefer = 'wait=60'): Promise<Generation & { readonly code?: string }> => {
    const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a tree', width: 1024, height: 1024 })
    const reply = await fetch(`${server.url}/v1/generations`, { method: 'POST', headers: { ...headers, prefer }, body })
    return (await reply.json()) as Generation
  }
  const costs = async () => (await (await fetch(`${server.url}/v1/costs`, { headers })).json()) as CostReport
  const used = async () => (await costs()).budgets?.[0]?.used
  async function change(to: string, period: string | undefined): Promise<void> {
    configure(keyWith(to))
    await expect.poll(async () => (await costs()).budgets?.[0]?.period, { timeout: 15_000 }).toBe(period)
  }
  return { buy, costs, used, change }
}

test.for(STORAGES)(
  'a budget that is taken away and given back, or of another length meanwhile, knows what was spent (%s)',
  async ([name]) => {
    const { buy, costs, used, change } = await startWith(name, budgetOf('0.1', 'month'))
    await buy()
    await change('', undefined)
    await buy()
    await change(budgetOf('0.5', 'total'), 'total')
    await buy()
    await change(budgetOf('0.1', 'month'), 'month')
    expect(await used()).toBe('0.09')
    expect(await buy()).toMatchObject({ code: 'budget_exceeded' })
    await change(budgetOf('0.5', 'total'), 'total')
    await buy()
    await change('', undefined)
    await buy()
    await change(budgetOf('0.1', 'month'), 'month')
    expect([(await costs()).total.spend, await used()]).toEqual(['0.15', '0.15'])
  },
)

test.for(STORAGES)('a budget that comes while purchases are under way counts each once it has ended (%s)', async ([name]) => {
  const { buy, used, change } = await startWith(name, '', 6_000)
  await Promise.all([buy('respond-async'), buy('respond-async')])
  await change(budgetOf('0.11', 'month'), 'month')
  await buy('respond-async')
  await expect.poll(used, { timeout: 30_000 }).toBe('0.09')
  expect(await buy()).toMatchObject({ code: 'budget_exceeded' })
})
