import { createHash } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { freshDatabase, ownServer, POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { readPostgresBooks } from './books.ts'
import { ask, startNodes } from './nodes.ts'
import { startVendors } from './vendors.ts'

const SECRETS = { budget: 'budget-secret-of-16', rate: 'secret-of-rate-of-16', free: 'free-secret-of-16-chars' }
const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')
const as = (name: keyof typeof SECRETS) => ({ authorization: `Bearer ${SECRETS[name]}` })

const KEYS = `keys:
  - { name: budget, key_hash: ${hashOf(SECRETS.budget)}, budget_usd: "0.21", period: month }
  - { name: rate, key_hash: ${hashOf(SECRETS.rate)}, rate: { per_minute: 20 } }
  - { name: free, key_hash: ${hashOf(SECRETS.free)}, scope: admin }
`

test.skipIf(POSTGRES_PROGRAMS === null)(
  'three nodes with one database answer for each other, and share limits, budgets, rates, keys and idempotency exactly',
  { timeout: 120_000 },
  async () => {
    const vendors = await startVendors({ providers: ['bfl', 'runware'], typicalMs: 300 })
    onTestFinished(() => vendors.close())
    const group = await startNodes(vendors, { url: await freshDatabase(), more: KEYS })
    onTestFinished(() => group.remove())
    const { nodes } = group
    const node = (index: number) => {
      const one = nodes[index % nodes.length]
      if (!one) throw new Error('three nodes were started')
      return one
    }
    const each = <Result>(count: number, work: (index: number) => Promise<Result>) =>
      Promise.all(Array.from({ length: count }, (_, index) => work(index)))

    const duplicates = await each(50, (index) =>
      ask(node(index), 'bfl/flux-2-pro', { ...as('free'), 'idempotency-key': 'once', prefer: 'wait=20' }),
    )
    expect(new Set(duplicates.map(({ status, generation }) => `${status} ${generation.status} ${generation.id}`)).size).toBe(1)
    expect([duplicates[0]?.generation.status, vendors.submits('bfl')]).toEqual(['succeeded', 1])

    // Seven at 0.03 fit into 0.21.
    const bought = await each(200, (index) => ask(node(index), 'bfl/flux-2-pro', { ...as('budget'), prefer: 'wait=30' }))
    const countOf = (wanted: number): number => bought.filter(({ status }) => status === wanted).length
    expect([countOf(200), countOf(402)]).toEqual([7, 193])
    expect(vendors.submits('bfl')).toBe(8)

    const limited = await each(60, (index) => fetch(`${node(index).url}/v1/models`, { headers: as('rate') }))
    expect(limited.filter(({ status }) => status === 200)).toHaveLength(20)

    // The one that is asked does not work on it.
    const { generation: open } = await ask(node(0), 'bfl/flux-2-pro', { ...as('free'), prefer: 'respond-async' })
    const elsewhere = `${node(1).url}/v1/generations/${open.id}`
    const events = fetch(`${node(2).url}/v1/generations/${open.id}/events`, { headers: as('free') }).then((reply) => reply.text())
    const waited = (await (await fetch(elsewhere, { headers: { ...as('free'), prefer: 'wait=20' } })).json()) as Generation
    expect(waited).toMatchObject({ id: open.id, status: 'succeeded' })
    const said = await events
    expect([...said.matchAll(/^event: (\w+)$/gm)].map(([, type]) => type).filter((type) => type !== 'progress')).toEqual([
      'queued',
      'running',
      'succeeded',
    ])
    const after = /^id: (\d+)$/m.exec(said)?.[1] ?? ''
    const rest = await fetch(`${elsewhere}/events`, { headers: { ...as('free'), 'last-event-id': after } })
    expect(await rest.text()).toContain('event: succeeded')
    const image = waited.images[0]?.url.replace(/^http:\/\/[^/]+/, node(2).url) ?? ''
    expect((await fetch(image, { headers: as('free') })).status).toBe(200)

    const asked = await each(3, (index) =>
      fetch(`${node(index).url}/v1/keys`, {
        method: 'POST',
        headers: { ...as('free'), 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'made' }),
      }),
    )
    const [made, ...more] = asked.filter(({ status }) => status === 201)
    expect([more.length, asked.filter(({ status }) => status === 409).length]).toEqual([0, 2])
    if (!made) throw new Error('a key was made')
    const { secret } = (await made.json()) as { readonly secret: string }
    const shows = async (): Promise<number> =>
      (await fetch(`${node(1).url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } })).status
    await expect.poll(shows).toBe(200)
    await fetch(`${node(2).url}/v1/keys/made`, { method: 'DELETE', headers: as('free') })
    await expect.poll(shows).toBe(401)
  },
)

test.skipIf(POSTGRES_PROGRAMS === null)(
  'nodes that are killed, frozen and thawed, and a database that is started anew, lose nothing, buy nothing twice, settle once and keep to the limit',
  { timeout: 180_000 },
  async () => {
    const database = ownServer()
    onTestFinished(() => database.remove())
    const vendors = await startVendors({ providers: ['bfl', 'runware'], typicalMs: 700, maxInFlight: 3 })
    onTestFinished(() => vendors.close())
    const limited = { most: 0, now: 0 }
    vendors.front('runware').treat = ({ purpose }) => {
      if (purpose === 'submit') limited.most = Math.max(limited.most, ++limited.now)
      return { kind: 'pass' }
    }
    vendors.front('runware').beforeReply = ({ purpose }) => {
      if (purpose === 'submit') limited.now--
    }
    const url = database.url('postgres')
    const group = await startNodes(vendors, { url })
    onTestFinished(() => group.remove())
    const [frozen, killed, last] = group.nodes
    if (!frozen || !killed || !last) throw new Error('three nodes were started')

    const accepted: string[] = []
    const post = async (node: typeof last, model: string, index: number): Promise<void> => {
      const headers = { prefer: 'respond-async', 'idempotency-key': `${model} ${index}` }
      const asked = await ask(node, model, headers).catch(() => null)
      if (asked?.status === 202 || asked?.status === 200) accepted.push(asked.generation.id)
    }
    await Promise.all(
      [frozen, killed, last].flatMap((node, at) =>
        Array.from({ length: 8 }, (_, index) => post(node, index % 2 === 0 ? 'bfl/flux-2-pro' : 'runware/flux-2-pro', at * 8 + index)),
      ),
    )
    frozen.signal('SIGSTOP')
    void killed.kill('SIGKILL')
    const begunAt = Date.now()
    const endOf = async (id: string): Promise<Generation | null> => {
      const reply = await fetch(`${last.url}/v1/generations/${id}`, { headers: { prefer: 'wait=0' } })
      return reply.status === 200 ? ((await reply.json()) as Generation) : null
    }
    const ends = async () => (await Promise.all(accepted.map(endOf))).map((generation) => generation?.status ?? null)
    const haveEnded = async () => (await ends()).every((status) => status === 'succeeded' || status === 'failed')
    await expect.poll(haveEnded, { timeout: 60_000, interval: 300 }).toBe(true)
    const takenAt = /"time":(\d+),[^\n]*open generations of another process continue here/.exec(last.said())?.[1]
    expect(Number(takenAt) - begunAt).toBeLessThan(15_000)
    frozen.signal('SIGCONT')
    await post(last, 'bfl/flux-2-pro', 100)
    database.stop('immediate')
    database.start()
    await expect.poll(() => endOf(accepted.at(-1) ?? '').catch(() => null), { timeout: 20_000 }).toMatchObject({ status: 'succeeded' })
    // What the frozen node had open is no longer its own.
    await expect.poll(async () => (await fetch(`${frozen.url}/readyz`)).status).toBe(200)
    await post(frozen, 'bfl/flux-2-pro', 101)
    await expect.poll(() => endOf(accepted.at(-1) ?? ''), { timeout: 20_000 }).toMatchObject({ status: 'succeeded' })
    expect(await Promise.all([frozen, last].map((node) => node.kill('SIGTERM')))).toEqual(['0', '0'])

    const books = await readPostgresBooks(url)
    expect([books.generations.length, books.open]).toEqual([accepted.length, 0])
    expect([...books.settlements.values()]).toEqual(accepted.map(() => 1))
    const unknown = books.generations.filter(({ error }) => error?.code === 'outcome_unknown')
    expect(books.generations.filter(({ status }) => status !== 'succeeded')).toEqual(unknown)
    const sold = vendors.submits('bfl') + vendors.submits('runware')
    expect([sold <= accepted.length, sold >= accepted.length - unknown.length]).toEqual([true, true])
    expect(limited.most).toBeLessThanOrEqual(3)
  },
)
