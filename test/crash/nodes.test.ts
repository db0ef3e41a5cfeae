import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GatewayNode, Generation, Quote } from '#contract'
import { connect } from '../http/compatible/mcp/clients.ts'
import { NGINX, startCluster } from '../support/cluster.ts'
import type { Cluster } from '../support/cluster.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { ask } from './nodes.ts'
import { startVendors } from './vendors.ts'
import type { Vendors } from './vendors.ts'

const SECRETS = { budget: 'budget-secret-of-16', rate: 'secret-of-rate-of-16', free: 'free-secret-of-16-chars' }
const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')
const as = (name: keyof typeof SECRETS) => ({ authorization: `Bearer ${SECRETS[name]}` })

const MOST_IN_FLIGHT = 3
const WAIT = { timeout: 60_000 }

const KEYS = `keys:
  - { name: budget, key_hash: ${hashOf(SECRETS.budget)}, budget_usd: "0.21", period: month }
  - { name: rate, key_hash: ${hashOf(SECRETS.rate)}, rate: { per_minute: 20 } }
  - { name: free, key_hash: ${hashOf(SECRETS.free)}, scope: admin }
`

describe.skipIf(POSTGRES_PROGRAMS === null)('three nodes with one database', { timeout: 120_000 }, () => {
  let vendors: Vendors
  let cluster: Cluster
  beforeAll(async () => {
    vendors = await startVendors({ providers: ['bfl', 'runware'], typicalMs: 300, maxInFlight: MOST_IN_FLIGHT })
    // The last one is called back by vendors, and lives.
    cluster = await startCluster(vendors, { more: KEYS, calledBack: 2 })
  }, 60_000)
  afterAll(async () => {
    await cluster.remove()
    await vendors.close()
  })

  const each = <Result>(count: number, work: (index: number) => Promise<Result>) =>
    Promise.all(Array.from({ length: count }, (_, index) => work(index)))
  const read = async (index: number, id: string, wait = 0): Promise<Generation> => {
    const headers = { ...as('free'), prefer: `wait=${wait}` }
    return (await (await fetch(`${cluster.node(index).url}/v1/generations/${id}`, { headers })).json()) as Generation
  }
  const begin = async (index: number, model: string, prompt = 'a lighthouse'): Promise<string> => {
    const { generation } = await ask(cluster.node(index), model, { ...as('free'), prefer: 'respond-async' }, { prompt })
    return generation.id
  }

  test('share limits, budgets, rates, keys and idempotency exactly', async () => {
    const duplicates = await each(50, (index) =>
      ask(cluster.node(index), 'bfl/flux-2-pro', { ...as('free'), 'idempotency-key': 'once', prefer: 'wait=60' }),
    )
    expect(new Set(duplicates.map(({ status, generation }) => `${status} ${generation.status} ${generation.id}`)).size).toBe(1)
    expect([duplicates[0]?.generation.status, vendors.submits('bfl')]).toEqual(['succeeded', 1])

    // Seven at 0.03 fit into 0.21.
    const bought = await each(200, (index) => ask(cluster.node(index), 'bfl/flux-2-pro', { ...as('budget'), prefer: 'wait=60' }))
    const countOf = (wanted: number): number => bought.filter(({ status }) => status === wanted).length
    expect([countOf(200), countOf(402)]).toEqual([7, 193])
    expect(vendors.submits('bfl')).toBe(8)

    const limited = await each(60, (index) => fetch(`${cluster.node(index).url}/v1/models`, { headers: as('rate') }))
    expect(limited.filter(({ status }) => status === 200)).toHaveLength(20)

    const asked = await each(3, (index) =>
      fetch(`${cluster.node(index).url}/v1/keys`, {
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
      (await fetch(`${cluster.node(1).url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } })).status
    await expect.poll(shows).toBe(200)
    await fetch(`${cluster.node(2).url}/v1/keys/made`, { method: 'DELETE', headers: as('free') })
    await expect.poll(shows).toBe(401)
  })

  test('answer, whichever is asked: waits, event streams, images, through the load balancer too', async () => {
    const open = await begin(0, 'bfl/flux-2-pro')
    const events = fetch(`${cluster.node(2).url}/v1/generations/${open}/events`, { headers: as('free') }).then((reply) => reply.text())
    const waited = await read(1, open, 20)
    expect(waited).toMatchObject({ id: open, status: 'succeeded' })
    const said = await events
    expect([...said.matchAll(/^event: (\w+)$/gm)].map(([, type]) => type).filter((type) => type !== 'progress')).toEqual([
      'queued',
      'running',
      'succeeded',
    ])
    const after = /^id: (\d+)$/m.exec(said)?.[1] ?? ''
    const rest = await fetch(`${cluster.node(1).url}/v1/generations/${open}/events`, { headers: { ...as('free'), 'last-event-id': after } })
    expect(await rest.text()).toContain('event: succeeded')
    const image = waited.images[0]?.url.replace(/^http:\/\/[^/]+/, cluster.url ?? cluster.node(2).url) ?? ''
    expect((await fetch(image, { headers: as('free') })).status).toBe(200)
  })

  test('show at /v1/providers which of them runs which configuration', async () => {
    const nodes = async (index: number) => {
      const reply = await fetch(`${cluster.node(index).url}/v1/providers`, { headers: as('free') })
      return ((await reply.json()) as { readonly nodes: readonly GatewayNode[] }).nodes
    }
    await expect.poll(async () => (await nodes(0)).length, { timeout: 10_000 }).toBe(3)
    const seen = await each(3, nodes)
    const [first = ''] = seen.flat().map(({ revision }) => revision)
    expect(seen.flat().filter(({ revision }) => revision !== first)).toEqual([])
    expect(new Set(seen.flatMap((all) => all.filter((node) => node.this).map(({ id }) => id))).size).toBe(3)
    cluster.configure(1, `${KEYS}routing: { slot_wait_ms: 2500 }\n`)
    const others = async () => (await nodes(0)).filter(({ revision }) => revision !== first).map(({ id }) => id)
    await expect.poll(others, { timeout: 10_000 }).toEqual(seen[1]?.flatMap(({ id, this: isThis }) => (isThis ? [id] : [])))
    cluster.configure(1, KEYS)
    await expect.poll(others, { timeout: 10_000 }).toEqual([])
  })

  test('quote and buy at a price that was changed in their configuration, each once it runs the new revision', async () => {
    const nodesAt = async (index: number) => {
      const reply = await fetch(`${cluster.node(index).url}/v1/providers`, { headers: as('free') })
      return ((await reply.json()) as { readonly nodes: readonly GatewayNode[] }).nodes
    }
    const quoted = async (index: number): Promise<string | undefined> => {
      const reply = await fetch(`${cluster.node(index).url}/v1/quotes`, {
        method: 'POST',
        headers: { ...as('free'), 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'bfl/flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }),
      })
      return ((await reply.json()) as Quote).offers.find(({ provider }) => provider === 'bfl')?.cost?.amount
    }
    const [before] = (await nodesAt(0)).map(({ revision }) => revision)
    expect(await each(3, quoted)).toEqual(['0.03', '0.03', '0.03'])
    const dearer = (index: number) =>
      cluster.edit(index, (text) => text.replace('  bfl: {', '  bfl: { prices: { flux-2-pro: { per_image: "0.041" } },'))
    dearer(0)
    await expect.poll(() => each(3, quoted), WAIT).toEqual(['0.041', '0.03', '0.03'])
    const changed = async () => (await nodesAt(2)).map((node) => node.revision !== before)
    await expect.poll(async () => (await changed()).filter(Boolean).length, WAIT).toBe(1)
    for (const index of [1, 2]) dearer(index)
    await expect.poll(() => each(3, quoted), WAIT).toEqual(['0.041', '0.041', '0.041'])
    await expect.poll(changed, WAIT).toEqual([true, true, true])
    expect(new Set((await nodesAt(1)).map(({ revision }) => revision)).size).toBe(1)
    const bought = await each(3, (index) => ask(cluster.node(index), 'bfl/flux-2-pro', { ...as('free'), prefer: 'wait=60' }))
    expect(bought.map(({ generation }) => generation.cost.quoted)).toEqual(['0.041', '0.041', '0.041'])
    for (const index of [0, 1, 2]) cluster.configure(index, KEYS)
    await expect.poll(() => each(3, quoted), WAIT).toEqual(['0.03', '0.03', '0.03'])
    // What they show comes a moment after what they do.
    await expect.poll(changed, WAIT).toEqual([false, false, false])
  })

  test('count the open generations of a key together: sixty requests at once open as many as it may have, and one that ends lets another in at any', async () => {
    const revisions = async () => {
      const reply = await fetch(`${cluster.node(0).url}/v1/providers`, { headers: as('free') })
      return ((await reply.json()) as { readonly nodes: readonly GatewayNode[] }).nodes.map(({ revision }) => revision)
    }
    const configured = async (more: string): Promise<void> => {
      const before = await revisions()
      for (const index of [0, 1, 2]) cluster.configure(index, KEYS + more)
      const isNew = async () => (await revisions()).map((revision) => !before.includes(revision))
      await expect.poll(isNew, WAIT).toEqual([true, true, true])
    }
    await configured('limits: { per_key: { generations: 7 } }\n')
    const begun = (index: number) =>
      fetch(`${cluster.node(index).url}/v1/generations`, {
        method: 'POST',
        headers: { ...as('free'), 'content-type': 'application/json', prefer: 'respond-async' },
        body: JSON.stringify({ model: 'bfl/flux-2-pro', prompt: 'a lighthouse sandbox:never', width: 256, height: 256 }),
      })
    const answers = await each(60, begun)
    const opened = await Promise.all(
      answers.filter(({ status }) => status === 202).map(async (reply) => (await reply.json()) as Generation),
    )
    const refused = answers.filter(({ status }) => status === 429)
    expect([opened.length, refused.length]).toEqual([7, 53])
    expect(new Set(refused.map(({ headers }) => `${headers.get('retry-after')} ${headers.get('ratelimit-policy')}`))).toEqual(
      new Set(['2 "key-generations";q=7']),
    )
    expect(await refused[0]?.json()).toMatchObject({ code: 'rate_limited', detail: expect.stringContaining('limits.per_key.generations') })

    const cancel = (index: number, id = '') =>
      fetch(`${cluster.node(index).url}/v1/generations/${id}/cancel`, { method: 'POST', headers: as('free') })
    await cancel(0, opened[0]?.id)
    const again = await each(9, begun)
    const more = await Promise.all(again.filter(({ status }) => status === 202).map(async (reply) => (await reply.json()) as Generation))
    expect(more).toHaveLength(1)
    await Promise.all([...opened.slice(1), ...more].map(({ id }) => id).map((open, index) => cancel(index, open)))
    await configured('')
  })

  test('take a vendor’s callback and a cancel for a generation that another one works on', async () => {
    const { visits } = vendors.front('bfl')
    const before = visits.length
    const id = await begin(0, 'bfl/flux-2-pro', 'a lighthouse sandbox:never')
    const since = (purpose: string) => visits.slice(before).filter((visit) => visit.purpose === purpose)
    await expect.poll(() => since('submit').length).toBe(1)
    await expect.poll(async () => (await read(1, id)).attempts[0]?.provider_task_id ?? null).not.toBeNull()
    const body = JSON.parse(since('submit')[0]?.body ?? '{}') as { readonly webhook_url: string; readonly webhook_secret: string }
    expect([since('poll').length, new URL(body.webhook_url).origin]).toEqual([0, cluster.node(2).url])
    const called = await fetch(body.webhook_url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-webhook-secret': body.webhook_secret },
      body: '{}',
    })
    expect(called.status).toBe(200)
    await expect.poll(() => since('poll').length).toBe(1)

    const canceled = await fetch(`${cluster.node(1).url}/v1/generations/${id}/cancel`, { method: 'POST', headers: as('free') })
    expect([canceled.status, ((await canceled.json()) as Generation).status]).toEqual([200, 'canceled'])
    expect((await read(2, id)).status).toBe('canceled')
  })

  test('deliver over a WebSocket and to an agent what another one works on', async () => {
    const task = {
      taskType: 'imageInference',
      taskUUID: randomUUID(),
      model: 'bfl:5@1',
      positivePrompt: 'a lighthouse',
      width: 256,
      height: 256,
      deliveryMethod: 'async',
    }
    const fronts = [...vendors.fronts.values()]
    const held = Promise.withResolvers<void>()
    for (const front of fronts) front.beforeReply = ({ purpose }) => (purpose === 'poll' ? held.promise : undefined)
    const headers = { ...as('free'), 'content-type': 'application/json' }
    const sold = vendors.submits('bfl') + vendors.submits('runware')
    const accepted = await fetch(`${cluster.node(0).url}/runware/v1`, { method: 'POST', headers, body: JSON.stringify([task]) })
    expect(accepted.status).toBe(200)
    const list = await fetch(`${cluster.node(0).url}/v1/generations?limit=1`, { headers: as('free') })
    const id = ((await list.json()) as { readonly data: readonly Generation[] }).data[0]?.id ?? ''

    const { deliveryMethod: _, ...again } = task
    const socket = new WebSocket(`${cluster.node(1).url.replace('http', 'ws')}/runware/v1`)
    const asked = Promise.withResolvers<void>()
    const framed = new Promise<string>((resolve, reject) => {
      socket.addEventListener('error', () => reject(new Error('the connection was refused')))
      socket.addEventListener('open', () => socket.send(JSON.stringify([{ taskType: 'authentication', apiKey: SECRETS.free }])))
      socket.addEventListener('message', ({ data }) => {
        if (!String(data).includes('"authentication"')) return resolve(String(data))
        socket.send(JSON.stringify([again]))
        asked.resolve()
      })
    })
    const agent = await connect(cluster.node(2).url, SECRETS.free)
    const shown = agent.call('get_generation', { id })
    await asked.promise
    await expect.poll(async () => (await read(2, id)).status).toBe('running')
    held.resolve()
    for (const front of fronts) front.beforeReply = () => {}
    expect(await framed).toContain('"imageURL"')
    expect((await shown).facts).toMatchObject({ id, status: 'succeeded' })
    await agent.close()
    socket.close()
    expect(vendors.submits('bfl') + vendors.submits('runware')).toBe(sold + 1)
  })

  test('that did not hear of an end, since they listened to nobody at that moment, find it once they listen again', async () => {
    const client = new pg.Client({ connectionString: cluster.databaseUrl })
    await client.connect()
    const held = Promise.withResolvers<void>()
    const front = vendors.front('bfl')
    front.beforeReply = ({ purpose }) => (purpose === 'poll' ? held.promise : undefined)
    try {
      const id = await begin(0, 'bfl/flux-2-pro')
      const waited = read(1, id, 30)
      const events = fetch(`${cluster.node(2).url}/v1/generations/${id}/events`, { headers: as('free') }).then((reply) => reply.text())
      await expect.poll(() => front.visits.at(-1)?.purpose).toBe('poll')
      // Whoever keeps the database to itself lets no gateway listen.
      const alone = client.query('SELECT pg_advisory_lock(1768776039, 2)')
      const other = new pg.Client({ connectionString: cluster.databaseUrl })
      await other.connect()
      await other.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'imagegate (listens)'`)
      await other.end()
      await alone
      held.resolve()
      const status = async () => (await client.query('SELECT status FROM imagegate.generations WHERE id = $1', [id])).rows[0]?.status
      await expect.poll(status, { timeout: 10_000 }).toBe('succeeded')
      await client.query('SELECT pg_advisory_unlock_all()')
      expect((await waited).status).toBe('succeeded')
      expect(await events).toContain('event: succeeded')
    } finally {
      front.beforeReply = () => {}
      held.resolve()
      await client.end()
    }
  })

  test.skipIf(NGINX === null)('that are restarted one after the other fail no request behind the load balancer', async () => {
    const failures: string[] = []
    const end = new AbortController()
    let count = 0
    const client = async (index: number): Promise<void> => {
      while (!end.signal.aborted) {
        const answered = await ask({ url: cluster.url ?? '' }, index % 2 === 0 ? 'bfl/flux-2-pro' : 'runware/flux-2-pro', {
          ...as('free'),
          prefer: 'wait=5',
          // A connection that nginx closes at its reload while a request is on its way is no answer of anybody's.
          connection: 'close',
        })
          .then(({ status, generation }) =>
            [200, 202].includes(status) && generation.error === null ? null : `${status} ${JSON.stringify(generation)}`,
          )
          .catch(String)
        if (answered === null) count++
        else failures.push(answered)
        await sleep(100)
      }
    }
    const clients = Array.from({ length: 3 }, (_, index) => client(index))
    for (const index of [0, 1]) await cluster.restart(index)
    end.abort()
    await Promise.all(clients)
    expect([failures, count > 5]).toEqual([[], true])
  })
})
