import { useRealSockets } from '../transport/real-sockets.ts'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { gatewayOfTwoKeys } from '../support/two-keys-on-postgres.ts'

useRealSockets()

/** More than a gateway has connections, and fewer than the provider takes at once. */
const PURCHASES = 12

/** What makes one of its acceptances wait is a lock here, as another gateway holds it for a moment, or for seconds where it stands still. */
test.skipIf(POSTGRES_PROGRAMS === null)(
  'purchases of one key that wait for its budget in PostgreSQL leave connections for what another key buys',
  { timeout: 60_000 },
  async () => {
    const { url, database } = await gatewayOfTwoKeys(', budget_usd: "50", period: day', 50)
    const buy = async (key: string): Promise<Generation> => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
      const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 })
      return (await (await fetch(`${url}/v1/generations`, { method: 'POST', headers, body })).json()) as Generation
    }
    for (const key of ['many', 'few']) expect(await buy(key)).toMatchObject({ status: 'succeeded' })
    const holder = new pg.Client({ connectionString: database })
    await holder.connect()
    onTestFinished(() => holder.end())
    await holder.query(`BEGIN; SELECT FROM imagegate.budgets WHERE key = 'many' FOR UPDATE`)
    let answered = 0
    const bought = Array.from({ length: PURCHASES }, async () => {
      const { status } = await buy('many')
      answered += 1
      return status
    })
    await new Promise((resolve) => setTimeout(resolve, 500))
    const begunAt = performance.now()
    expect(await buy('few')).toMatchObject({ status: 'succeeded' })
    // One that waits for a lock is tried again after three seconds.
    expect(performance.now() - begunAt).toBeLessThan(1_500)
    expect(answered).toBe(0)
    await holder.query('ROLLBACK')
    expect(new Set(await Promise.all(bought))).toEqual(new Set(['succeeded']))
  },
)
