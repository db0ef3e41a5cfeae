import { createHash } from 'node:crypto'
import { once } from 'node:events'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation, Problem } from '#contract'
import { gatewayOnOwnPostgres, vendorsOnOwnPostgres } from '../support/own-postgres.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { readPostgresBooks } from './books.ts'
import { startProcess } from './process.ts'
import type { ServerProcess } from './process.ts'

const post = (server: ServerProcess, key: string, wait: string) =>
  fetch(`${server.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key, prefer: wait },
    body: JSON.stringify({ model: 'bfl/flux-2-pro', prompt: `a lighthouse ${key}`, width: 256, height: 256 }),
  })

test.skipIf(POSTGRES_PROGRAMS === null)(
  'a gateway whose PostgreSQL is away answers 503 with Retry-After, loses nothing, buys nothing twice, and goes on by itself',
  { timeout: 180_000 },
  async () => {
    const { database, vendors, url, server } = await gatewayOnOwnPostgres({ providers: ['bfl'], typicalMs: 1_500 })

    const backup = await fetch(`${server.url}/v1/backup/database`)
    expect([backup.status, await backup.json()]).toMatchObject([409, { code: 'invalid_request', detail: expect.stringMatching(/pg_dump/) }])

    const accepted = (await (await post(server, 'open', 'respond-async')).json()) as Generation
    await expect.poll(() => vendors.submits('bfl')).toBe(1)
    database.stop('immediate')
    const refused = await post(server, 'away', 'wait=60')
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([503, true])
    expect(((await refused.json()) as Problem).code).toBe('store_unavailable')
    expect((await fetch(`${server.url}/v1/generations/${accepted.id}`)).status).toBeOneOf([200, 503])
    expect((await fetch(`${server.url}/readyz`)).status).toBe(503)
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
    // The vendor's task ends meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 2_000))
    expect(vendors.submits('bfl')).toBe(1)

    database.start()
    await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status, { timeout: 10_000 }).toBe(200)
    const ended = await fetch(`${server.url}/v1/generations/${accepted.id}`, { headers: { prefer: 'wait=60' } })
    expect((await ended.json()) as Generation).toMatchObject({ status: 'succeeded' })
    const again = (await (await post(server, 'away', 'wait=60')).json()) as Generation
    expect(again.status).toBe('succeeded')
    expect(((await (await post(server, 'away', 'wait=60')).json()) as Generation).id).toBe(again.id)
    expect(await server.kill('SIGTERM')).toBe('0')
    expect(server.said()).not.toContain('a request failed unexpectedly')

    const books = await readPostgresBooks(url)
    expect([books.generations.length, books.open, vendors.submits('bfl')]).toEqual([2, 0, 2])
    expect([...books.settlements.values()]).toEqual([1, 1])
  },
)

test.skipIf(POSTGRES_PROGRAMS === null)(
  'a gateway whose PostgreSQL crashes while it reads what was left open goes on, and ends well when it is asked to',
  { timeout: 120_000 },
  async () => {
    const { database, url, environment } = await vendorsOnOwnPostgres({ providers: ['bfl'] })
    expect(await (await startProcess(environment)).kill('SIGTERM')).toBe('0')

    const client = new pg.Client({ connectionString: url })
    client.on('error', () => {})
    await client.connect()
    await client.query('BEGIN; LOCK imagegate.generation_plans')
    const server = await startProcess(environment)
    onTestFinished(() => void server.kill('SIGKILL'))
    const waits = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%generation_plans%'`
    await expect.poll(async () => (await client.query(waits)).rowCount, { timeout: 20_000, interval: 20 }).toBe(1)
    database.stop('immediate')
    database.start()
    await expect.poll(async () => (await post(server, 'after', 'wait=60').catch(() => null))?.status, { timeout: 30_000 }).toBe(200)
    expect(await server.kill('SIGTERM')).toBe('0')
  },
)

/** What an operator, or a failover, does to the database under a running gateway, and undoes. */
const TAKEN_AWAY = [
  {
    what: 'takes no writes, as one that is no longer the primary',
    change: 'ALTER ROLE gateway SET default_transaction_read_only = on',
    back: 'ALTER ROLE gateway RESET default_transaction_read_only',
    isReady: true,
  },
  {
    what: 'has no schema, as a replica that never got it',
    change: 'ALTER SCHEMA imagegate RENAME TO elsewhere',
    back: 'ALTER SCHEMA elsewhere RENAME TO imagegate',
    isReady: false,
  },
  {
    what: 'ends what takes longer than a millisecond',
    change: 'ALTER ROLE gateway SET transaction_timeout = 1',
    back: 'ALTER ROLE gateway RESET transaction_timeout',
    isReady: null,
  },
]

test.skipIf(POSTGRES_PROGRAMS === null).for(TAKEN_AWAY)(
  'a gateway whose PostgreSQL $what answers 503, and buys later what had waited to be bought',
  { timeout: 120_000 },
  async ({ change, back, isReady }) => {
    const { vendors, url, server } = await gatewayOnOwnPostgres({ providers: ['bfl'], typicalMs: 1_500, maxInFlight: 1 })
    const others = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name LIKE 'imagegate%'`
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    onTestFinished(() => client.end())
    const make = async (statement: string): Promise<void> => {
      await client.query(statement)
      await client.query(others)
    }

    const open: Generation[] = []
    for (const key of ['first', 'waits']) open.push((await (await post(server, key, 'respond-async')).json()) as Generation)
    await expect.poll(() => vendors.submits('bfl')).toBe(1)
    await make(change)
    // The first ends meanwhile, and it is the turn of the other.
    await new Promise((resolve) => setTimeout(resolve, 4_000))
    // A read that is done within the millisecond is answered.
    const read = isReady === null ? [200, 503] : [isReady ? 200 : 503]
    for (const path of ['/v1/generations', '/v1/costs']) expect(read).toContain((await fetch(`${server.url}${path}`)).status)
    const refused = await post(server, 'refused', 'wait=60')
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([503, true])
    if (isReady !== null) expect((await fetch(`${server.url}/readyz`)).status).toBe(isReady ? 200 : 503)
    expect(vendors.submits('bfl')).toBe(1)

    await make(back)
    for (const { id } of open) {
      const ended = async () => ((await (await fetch(`${server.url}/v1/generations/${id}`)).json()) as Generation).status
      await expect.poll(ended, { timeout: 30_000 }).toMatch(/succeeded|failed/)
      expect(await ended()).toBe('succeeded')
    }
    expect(vendors.submits('bfl')).toBe(2)
    expect(await server.kill('SIGTERM')).toBe('0')
    expect(server.said()).not.toContain('failed unexpectedly')
    expect([...(await readPostgresBooks(url)).settlements.values()]).toEqual([1, 1])
  },
)

const KEY = 'the-key-of-whoever-has-a-rate'

test.skipIf(POSTGRES_PROGRAMS === null)(
  'a WebSocket whose key has a rate is answered in words while PostgreSQL is away, as HTTP is, and the gateway goes on',
  { timeout: 60_000 },
  async () => {
    const hash = createHash('sha256').update(KEY).digest('hex')
    const key = `{ name: team, key_hash: ${hash}, rate: { per_minute: 1000 } }`
    const { database, server } = await gatewayOnOwnPostgres({ providers: ['bfl'] }, { more: `keys: [${key}]\n` })

    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/runware/v1`)
    onTestFinished(() => socket.close())
    await once(socket, 'open')
    const say = async (...tasks: readonly object[]): Promise<unknown> => {
      const heard = once(socket, 'message')
      socket.send(JSON.stringify(tasks))
      const [{ data }] = (await heard) as [MessageEvent]
      return JSON.parse(String(data))
    }
    const ping = { taskType: 'ping', ping: true }
    await say({ taskType: 'authentication', apiKey: KEY })
    expect(await say(ping)).toEqual({ data: [{ taskType: 'ping', pong: true }] })
    database.stop('immediate')
    const taskUUID = '6f0ff3c1-9a33-4c57-8d4e-0a3a7cbb1f04'
    const refused = { errors: [{ code: 'providerUnavailable', message: expect.stringContaining('database'), taskUUID, taskType: 'ping' }] }
    expect(await say({ ...ping, taskUUID })).toMatchObject(refused)
    const posted = await fetch(`${server.url}/runware/v1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
      body: JSON.stringify([ping]),
    })
    expect([posted.status, await posted.json()]).toMatchObject([503, { errors: [{ code: 'providerUnavailable' }] }])
    database.start()
    await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status, { timeout: 60_000 }).toBe(200)
    await expect.poll(() => say(ping), { timeout: 60_000 }).toEqual({ data: [{ taskType: 'ping', pong: true }] })
    expect(await server.kill('SIGTERM')).toBe('0')
  },
)
