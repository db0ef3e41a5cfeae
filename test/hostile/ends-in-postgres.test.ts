import { useRealSockets } from '../transport/real-sockets.ts'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { gatewayOfTwoKeys } from '../support/two-keys-on-postgres.ts'

useRealSockets()

/** More than a gateway has connections, and fewer than the provider takes at once. */
const PURCHASES = 12
const TASK_MS = 3_000

/** Another gateway that stands still in the middle of an end holds these rows for seconds, and what ends here waits for them. */
test.skipIf(POSTGRES_PROGRAMS === null).for([
  { what: 'of its budget', held: "SELECT FROM imagegate.budgets WHERE key = 'many' FOR UPDATE", isBoughtBy: 'few' },
  { what: 'of its provider’s hour', held: 'SELECT FROM imagegate.provider_hours FOR UPDATE', isBoughtBy: null },
])(
  'generations of one key that end while another gateway holds the row $what leave connections for another key',
  { timeout: 60_000 },
  async ({ held, isBoughtBy }) => {
    const { url, database } = await gatewayOfTwoKeys(', budget_usd: "50", period: day', 50, TASK_MS)
    const ask = async (key: string, path: string, order?: object, prefer = 'wait=60'): Promise<Generation> => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', prefer }
      const sent = order === undefined ? { headers } : { headers, method: 'POST', body: JSON.stringify(order) }
      return (await (await fetch(`${url}/v1/generations${path}`, sent)).json()) as Generation
    }
    const order = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }
    const [bought] = await Promise.all(['few', 'many'].map((key) => ask(key, '', order)))
    expect(bought).toMatchObject({ status: 'succeeded' })
    const open = await Promise.all(Array.from({ length: PURCHASES }, () => ask('many', '', order, 'respond-async')))
    const holder = new pg.Client({ connectionString: database })
    await holder.connect()
    onTestFinished(() => holder.end())
    await holder.query(`BEGIN; ${held}`)
    await new Promise((resolve) => setTimeout(resolve, TASK_MS + 1_500))

    const begunAt = performance.now()
    expect(await ask('few', `/${bought?.id}`)).toMatchObject({ status: 'succeeded' })
    if (isBoughtBy !== null) expect(await ask(isBoughtBy, '', order, 'respond-async')).toMatchObject({ object: 'generation' })
    expect(performance.now() - begunAt).toBeLessThan(1_500)
    await holder.query('ROLLBACK')
    const ended = async () => new Set((await Promise.all(open.map(({ id }) => ask('many', `/${id}`)))).map(({ status }) => status))
    await expect.poll(ended, { timeout: 20_000 }).toEqual(new Set(['succeeded']))
  },
)
