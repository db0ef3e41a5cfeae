import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayOnOwnPostgres } from '../support/own-postgres.ts'
import { ownServer, POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { startWay } from '../support/postgres-way.ts'

const WAIT_SECONDS = 6

/** An answer that says "nothing was bought, send it again" of what is on its way has it bought twice. */
test.skipIf(POSTGRES_PROGRAMS === null).each(['goes away', 'falls silent'])(
  'a generation that is accepted when PostgreSQL %s is answered as under way, not as refused nor late, and is bought once',
  { timeout: 120_000 },
  async (how) => {
    const database = ownServer()
    const way = await startWay(database)
    onTestFinished(() => way.close())
    const { vendors, server } = await gatewayOnOwnPostgres({ providers: ['bfl'], typicalMs: 1_500 }, { database, url: way.url })
    const askedAt = Date.now()
    const answer = fetch(`${server.url}/v1/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: `wait=${WAIT_SECONDS}` },
      body: JSON.stringify({ model: 'bfl/flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }),
    })
    await expect.poll(() => vendors.submits('bfl')).toBe(1)
    if (how === 'falls silent') way.silence()
    else database.stop('immediate')
    const answered = await answer
    const waitedMs = Date.now() - askedAt
    const generation = (await answered.json()) as Generation
    expect([answered.status, generation]).toMatchObject([202, { status: 'running', images: [] }])
    expect(answered.headers.get('location')).toBe(`/v1/generations/${generation.id}`)
    expect(waitedMs).toBeLessThan(WAIT_SECONDS * 1_000 + 5_000)
    if (how === 'falls silent') way.repair()
    else database.start()
    way.cut()
    await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status, { timeout: 10_000 }).toBe(200)
    const ended = await fetch(`${server.url}${answered.headers.get('location')}`, { headers: { prefer: 'wait=60' } })
    expect((await ended.json()) as Generation).toMatchObject({ status: 'succeeded', images: [{}] })
    expect(vendors.submits('bfl')).toBe(1)
  },
)
