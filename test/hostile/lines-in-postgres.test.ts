import { useRealSockets } from '../transport/real-sockets.ts'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { OPEN_OF, SLOTS_OF } from '../../src/store/postgres/locks.ts'
import { gatewayOfTwoKeys } from '../support/two-keys-on-postgres.ts'

useRealSockets()

/** More than a gateway has connections, and fewer than the provider takes at once. */
const PURCHASES = 12
/** A key that has few open generations is not counted again for a second. */
const COUNTED_AGAIN_MS = 1_100

/**
 * Another gateway holds these locks for a moment, or for seconds where it stands still. One of ours that waits for them is tried again after
 * three seconds, and gives its connection back until then.
 */
test.skipIf(POSTGRES_PROGRAMS === null).for([
  { what: 'open generations to be counted', of: OPEN_OF, name: 'many', isBoughtBy: 'few' },
  { what: 'provider’s slots to be counted', of: SLOTS_OF, name: 'runware', isBoughtBy: null },
])(
  'purchases of one key that wait in PostgreSQL for its $what leave connections for another key',
  { timeout: 60_000 },
  async ({ of, name, isBoughtBy }) => {
    const { url, database } = await gatewayOfTwoKeys('', 50)
    const ask = async (key: string, path: string, order?: object): Promise<Generation> => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
      const sent = order === undefined ? { headers } : { headers, method: 'POST', body: JSON.stringify(order) }
      return (await (await fetch(`${url}/v1/generations${path}`, sent)).json()) as Generation
    }
    const buy = (key: string) => ask(key, '', { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 })
    expect(await buy('many')).toMatchObject({ status: 'succeeded' })
    const bought = await buy('few')
    await new Promise((resolve) => setTimeout(resolve, COUNTED_AGAIN_MS))
    const holder = new pg.Client({ connectionString: database })
    await holder.connect()
    onTestFinished(() => holder.end())
    await holder.query('BEGIN')
    await holder.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [of, name])
    const waiting = Array.from({ length: PURCHASES }, () => buy('many').then(({ status }) => status, String))
    await new Promise((resolve) => setTimeout(resolve, 500))

    const begunAt = performance.now()
    expect(await ask('few', `/${bought.id}`)).toMatchObject({ status: 'succeeded' })
    if (isBoughtBy !== null) expect(await buy(isBoughtBy)).toMatchObject({ status: 'succeeded' })
    expect(performance.now() - begunAt).toBeLessThan(1_500)
    await holder.query('ROLLBACK')
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['succeeded']))
  },
)
