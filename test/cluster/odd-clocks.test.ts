import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { ask } from '../crash/nodes.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { startWithReceiver } from './with-receiver.ts'
import type { ClusterWithReceiver } from './with-receiver.ts'

const MINUTE_MS = 60_000
const SECRETS = { rate: 'secret-of-rate-of-16', free: 'free-secret-of-16-chars' }
const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')
const as = (name: keyof typeof SECRETS) => ({ authorization: `Bearer ${SECRETS[name]}` })

describe.skipIf(POSTGRES_PROGRAMS === null)('three nodes whose clocks differ by minutes', { timeout: 60_000 }, () => {
  let own: ClusterWithReceiver
  beforeAll(async () => {
    const keys = [
      `  - { name: rate, key_hash: ${hashOf(SECRETS.rate)}, rate: { per_minute: 20 } }`,
      `  - { name: free, key_hash: ${hashOf(SECRETS.free)}, scope: admin }`,
    ]
    own = await startWithReceiver({
      more: `keys:\n${keys.join('\n')}\n`,
      clocksMs: [0, 7 * MINUTE_MS, -5 * MINUTE_MS],
    })
  }, 60_000)
  afterAll(() => own.close())

  const buy = async (index: number, more: object = {}): Promise<Generation> => {
    const { generation } = await ask(own.cluster.node(index), 'bfl/flux-2-pro', { ...as('free'), prefer: 'wait=60' }, more)
    return generation
  }

  test('write down the same time', async () => {
    const ids: string[] = []
    for (const index of [1, 0, 2]) {
      const generation = await buy(index)
      expect(Math.abs(Date.parse(generation.created_at) - Date.now())).toBeLessThan(MINUTE_MS / 2)
      ids.unshift(generation.id)
    }
    const list = await fetch(`${own.cluster.node(2).url}/v1/generations?limit=3`, { headers: as('free') })
    expect(((await list.json()) as { readonly data: readonly Generation[] }).data.map(({ id }) => id)).toEqual(ids)
  })

  test('send a webhook once, at once, while one of them waits for its receiver', async () => {
    const held = Promise.withResolvers<void>()
    own.receiver.answerWith((response) => void held.promise.then(() => response.writeHead(204).end()))
    const webhook = { url: own.receiver.url }
    const first = await buy(2, { webhook })
    await expect.poll(() => own.heardOf(first.id)).toBe(1)
    // Each other one reads what is due when it has a delivery of its own.
    for (const index of [1, 0]) {
      const other = await buy(index, { webhook })
      await expect.poll(() => own.heardOf(other.id)).toBe(1)
    }
    expect(own.heardOf(first.id)).toBe(1)
    held.resolve()
    const status = async () => {
      const reply = await fetch(`${own.cluster.node(0).url}/v1/webhooks/deliveries?generation_id=${first.id}`, { headers: as('free') })
      return ((await reply.json()) as { readonly data: readonly { readonly status: string }[] }).data.map((one) => one.status)
    }
    await expect.poll(status).toEqual(['delivered'])
    expect(own.heardOf(first.id)).toBe(1)
  })

  test('count one minute for the rate of a key', async () => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, index) => fetch(`${own.cluster.node(index).url}/v1/models`, { headers: as('rate') })),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(20)
    const waits = answers.flatMap(({ headers }) => headers.get('retry-after') ?? []).map(Number)
    expect(Math.max(...waits)).toBeLessThanOrEqual(60)
  })

  test('take over what a dead one had open within 15 seconds', async () => {
    const front = own.vendors.front('bfl')
    const held = Promise.withResolvers<void>()
    front.beforeReply = ({ purpose }) => (purpose === 'poll' ? held.promise : undefined)
    const { generation } = await ask(own.cluster.node(2), 'bfl/flux-2-pro', { ...as('free'), prefer: 'respond-async' })
    await expect.poll(() => front.visits.at(-1)?.purpose).toBe('poll')
    void own.cluster.node(2).kill('SIGKILL')
    const diedAt = Date.now()
    front.beforeReply = () => {}
    held.resolve()
    const reply = await fetch(`${own.cluster.node(1).url}/v1/generations/${generation.id}`, {
      headers: { ...as('free'), prefer: 'wait=60' },
    })
    expect([((await reply.json()) as Generation).status, Date.now() - diedAt < 16_000]).toEqual(['succeeded', true])
  })
})
