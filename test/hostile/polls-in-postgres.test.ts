import { connect } from 'node:net'
import { useRealSockets } from '../transport/real-sockets.ts'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { gatewayOfTwoKeys } from '../support/two-keys-on-postgres.ts'

useRealSockets()

const CONNECTIONS = 100
/** As many as a connection may send ahead. */
const POLLS = 30
/** Long enough that all polls have come and wait for the database, and shorter than any of them waits for a lock. */
const HELD_MS = 1_500

/** Sends all polls at once. Returns how many were answered so far. */
function pollTogether(origin: string, key: string, path: string): () => number {
  const { hostname, port, host } = new URL(origin)
  const poll = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${key}\r\n\r\n`
  let answered = 0
  for (let index = 0; index < CONNECTIONS; index++) {
    const socket = connect(Number(port), hostname, () => socket.write(poll.repeat(POLLS)))
    socket.on('data', (text) => (answered += text.toString('latin1').split('HTTP/1.1 200').length - 1)).on('error', () => {})
    onTestFinished(() => void socket.destroy())
  }
  return () => answered
}

/** A lock on the table makes all of them wait for the ten connections that a gateway has, as they do where the server is slow. */
test.skipIf(POSTGRES_PROGRAMS === null)(
  'polls of one key, 3,000 that wait for PostgreSQL, leave turns for a read and a purchase of another key',
  { timeout: 60_000 },
  async () => {
    const { url, database } = await gatewayOfTwoKeys('', 50)
    const ask = async (key: string, path: string, order?: object): Promise<Generation> => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
      const sent = order === undefined ? { headers } : { headers, method: 'POST', body: JSON.stringify(order) }
      return (await (await fetch(`${url}/v1/generations${path}`, sent)).json()) as Generation
    }
    const order = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }
    const [theirs, own] = [await ask('many', '', order), await ask('few', '', order)]
    const holder = new pg.Client({ connectionString: database })
    await holder.connect()
    onTestFinished(() => holder.end())
    await holder.query('BEGIN; LOCK TABLE imagegate.generations IN ACCESS EXCLUSIVE MODE')
    const answered = pollTogether(url, 'many', `/v1/generations/${theirs.id}`)
    await new Promise((resolve) => setTimeout(resolve, HELD_MS))
    const read = ask('few', `/${own.id}`).then(({ status }) => [status, answered()] as const)
    const bought = ask('few', '', order).then(({ status }) => [status, answered()] as const)
    await new Promise((resolve) => setTimeout(resolve, 200))
    await holder.query('ROLLBACK')
    const [[readAs, beforeRead], [boughtAs, beforePurchase]] = await Promise.all([read, bought])
    expect([readAs, boughtAs]).toEqual(['succeeded', 'succeeded'])
    expect(beforeRead).toBeLessThan(300)
    expect(beforePurchase).toBeLessThan(300)
  },
)
