import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation, Problem } from '#contract'
import { readPostgresBooks } from '../crash/books.ts'
import { ask } from '../crash/nodes.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { startWithReceiver } from './with-receiver.ts'
import type { ClusterWithReceiver } from './with-receiver.ts'

/** `DATABASE_AWAY_SECONDS=30 npx vitest run test/cluster/database-away.test.ts` is the long form. */
const AWAY_MS = Number(process.env['DATABASE_AWAY_SECONDS'] ?? 4) * 1_000
const NODES = [0, 1, 2]
const WAIT = { timeout: 60_000 }

describe.skipIf(POSTGRES_PROGRAMS === null)('three nodes whose PostgreSQL is away', { timeout: 180_000 }, () => {
  let own: ClusterWithReceiver
  beforeAll(async () => {
    own = await startWithReceiver({
      // The first retry falls due while the database is away.
      overrides: { webhookDelaysMs: [2_000, 2_000] },
    })
  }, 60_000)
  afterAll(() => own.close())

  const buy = async (index: number, headers: Readonly<Record<string, string>>): Promise<Generation> => {
    const { generation } = await ask(own.cluster.node(index), 'bfl/flux-2-pro', headers, { webhook: { url: own.receiver.url } })
    return generation
  }
  const statuses = (path: string) => Promise.all(NODES.map(async (index) => (await fetch(own.cluster.node(index).url + path)).status))

  /** Follows the events of a generation as an `EventSource` does: where the stream ends, it is asked for what came after the last event. */
  async function follow(index: number, id: string): Promise<readonly string[]> {
    const events: string[] = []
    for (let last = ''; !events.some((event) => event.endsWith(' succeeded')); await pause(100)) {
      const headers: Record<string, string> = last === '' ? {} : { 'last-event-id': last }
      const reply = await fetch(`${own.cluster.node(index).url}/v1/generations/${id}/events`, { headers }).catch(() => null)
      const said = reply?.ok === true ? await reply.text().catch(() => '') : ''
      for (const [, number = '', type = ''] of said.matchAll(/^id: (\d+)\nevent: (\w+)$/gm)) {
        last = number
        events.push(`${number} ${type}`)
      }
    }
    return events
  }

  test('answer 503 with Retry-After and say that they are not ready; then waits and events catch up, webhooks are sent once, and nothing is lost or bought twice', async () => {
    own.receiver.answerWith(503)
    const ended = await buy(0, { prefer: 'wait=60' })
    await expect.poll(() => own.heardOf(ended.id), WAIT).toBe(1)
    const front = own.vendors.front('bfl')
    const held = Promise.withResolvers<void>()
    front.beforeReply = ({ purpose }) => (purpose === 'poll' ? held.promise : undefined)
    const open = await buy(0, { prefer: 'respond-async' })
    await expect.poll(() => front.visits.at(-1)?.purpose, WAIT).toBe('poll')
    const waited = fetch(`${own.cluster.node(1).url}/v1/generations/${open.id}`, { headers: { prefer: 'wait=120' } })
    const events = follow(2, open.id)
    // What is asked after them has been answered, so they wait.
    for (const index of [1, 2, 1, 2, 1, 2])
      expect((await fetch(`${own.cluster.node(index).url}/v1/generations/${open.id}`)).status).toBe(200)

    own.cluster.database.stop('immediate')
    const awayAt = performance.now()
    own.receiver.answerWith(204)
    front.beforeReply = () => {}
    held.resolve()
    const refused = await Promise.all(
      NODES.map((index) =>
        fetch(`${own.cluster.node(index).url}/v1/generations`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'idempotency-key': `away ${index}`, prefer: 'wait=60' },
          body: JSON.stringify({ model: 'bfl/flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }),
        }),
      ),
    )
    expect(refused.map(({ status, headers }) => [status, Number(headers.get('retry-after')) > 0])).toEqual(NODES.map(() => [503, true]))
    const problems = await Promise.all(refused.map(async (reply) => (await reply.json()) as Problem))
    expect(problems.map(({ code }) => code)).toEqual(NODES.map(() => 'store_unavailable'))
    expect([await statuses('/readyz'), await statuses('/healthz')]).toEqual([NODES.map(() => 503), NODES.map(() => 200)])
    await pause(AWAY_MS - (performance.now() - awayAt))
    expect([await statuses('/readyz'), own.vendors.submits('bfl')]).toEqual([NODES.map(() => 503), 2])

    own.cluster.database.start()
    await expect.poll(() => statuses('/readyz'), WAIT).toEqual(NODES.map(() => 200))
    const answered = await waited
    expect([answered.status, ((await answered.json()) as Generation).status]).toEqual([200, 'succeeded'])
    const seen = await events
    expect(seen.filter((event) => !event.endsWith(' progress')).map((event) => event.split(' ')[1])).toEqual([
      'queued',
      'running',
      'succeeded',
    ])
    expect(new Set(seen).size).toBe(seen.length)
    const again = await Promise.all(
      NODES.flatMap((index) => [buy, buy].map((buys) => buys(index + 1, { 'idempotency-key': `away ${index}` }))),
    )
    expect(again.map(({ status }) => status)).toEqual(again.map(() => 'succeeded'))
    expect([new Set(again.map(({ id }) => id)).size, own.vendors.submits('bfl')]).toEqual([3, 5])
    const ids = [ended.id, open.id, ...new Set(again.map(({ id }) => id))]
    await expect.poll(() => ids.map((id) => own.heardOf(id)), WAIT).toEqual([2, 1, 1, 1, 1])

    expect(await Promise.all(own.cluster.nodes.map((node) => node.kill('SIGTERM')))).toEqual(['0', '0', '0'])
    const books = await readPostgresBooks(own.cluster.databaseUrl)
    expect([books.generations.length, books.open, [...books.settlements.values()]]).toEqual([5, 0, [1, 1, 1, 1, 1]])
    expect(ids.map((id) => own.heardOf(id))).toEqual([2, 1, 1, 1, 1])
  })
})
