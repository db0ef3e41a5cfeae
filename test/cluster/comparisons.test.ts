import { createHash } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Comparison } from '#contract'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { startCluster } from '../support/cluster.ts'
import type { Cluster } from '../support/cluster.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'

const WAIT = { timeout: 60_000 }
const SECRETS = { own: 'secret-of-own-of-16ch', other: 'secret-of-other-of-16' }
const as = (name: keyof typeof SECRETS) => ({ authorization: `Bearer ${SECRETS[name]}` })
const KEYS = Object.entries(SECRETS).map(
  ([name, secret]) => `  - { name: ${name}, key_hash: ${createHash('sha256').update(secret).digest('hex')} }\n`,
)
const BODY = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256, providers: ['bfl', 'runware'] }

describe.skipIf(POSTGRES_PROGRAMS === null)('a comparison over three nodes', { timeout: 120_000 }, () => {
  let vendors: Vendors
  let cluster: Cluster
  beforeAll(async () => {
    vendors = await startVendors({ providers: ['bfl', 'runware'], typicalMs: 200 })
    cluster = await startCluster(vendors, { more: `keys:\n${KEYS.join('')}`, overrides: { comparisonsEveryMs: 2_000 } })
  }, 60_000)
  afterAll(async () => {
    await cluster.remove()
    await vendors.close()
  })

  const begin = (index: number, headers: Readonly<Record<string, string>> = {}, body: object = BODY) =>
    fetch(`${cluster.node(index).url}/v1/comparisons`, {
      method: 'POST',
      headers: { ...as('own'), 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  const read = (index: number, path: string, key: keyof typeof SECRETS = 'own', wait = 0) =>
    fetch(`${cluster.node(index).url}${path}`, { headers: { ...as(key), prefer: `wait=${wait}` } })
  const submits = (): number => vendors.submits('bfl') + vendors.submits('runware')

  test('is shown, waited for and followed at a node that did not begin it, and is nobody else’s at any', async () => {
    const begun = await begin(0, { prefer: 'respond-async', 'idempotency-key': 'one' })
    const { id, generations } = (await begun.json()) as Comparison
    const path = `/v1/comparisons/${id}`
    const events = read(1, `${path}/events`).then((reply) => reply.text())
    const waited = (await (await read(2, path, 'own', 30)).json()) as Comparison
    expect([waited.status, waited.summary.map(({ status }) => status)]).toEqual(['succeeded', ['succeeded', 'succeeded']])
    expect([...(await events).matchAll(/^event: (row|succeeded)$/gm)].map(([, type]) => type)).toEqual(['row', 'row', 'succeeded'])
    const own = [path, ...generations.map((generation) => `/v1/generations/${generation.id}`)]
    const found = async (key: keyof typeof SECRETS) =>
      (await Promise.all(own.map((of, index) => read(index, of, key)))).map(({ status }) => status)
    expect([await found('own'), await found('other')]).toEqual([own.map(() => 200), own.map(() => 404)])
    // Sent again with the same key, at another node.
    expect(((await (await begin(1, { 'idempotency-key': 'one' })).json()) as Comparison).id).toBe(id)
    expect((await begin(2, { 'idempotency-key': 'one' }, { ...BODY, prompt: 'a harbour' })).status).toBe(422)
    expect(submits()).toBe(2)
  })

  test('that a node was beginning when it was killed is begun at the providers that are left by another, once', async () => {
    const before = submits()
    const client = new pg.Client({ connectionString: cluster.databaseUrl })
    await client.connect()
    try {
      // The comparison is on disk then, and none of its generations.
      await client.query('BEGIN; LOCK imagegate.generations IN SHARE ROW EXCLUSIVE MODE')
      void begin(0, { prefer: 'respond-async' }).catch(() => {})
      const unbegun = async () => (await client.query<{ readonly id: string }>('SELECT id FROM imagegate.comparisons WHERE unbegun')).rows
      await expect.poll(async () => (await unbegun()).length, WAIT).toBe(1)
      const [{ id } = { id: '' }] = await unbegun()
      await cluster.node(0).kill('SIGKILL')
      await client.query('COMMIT')
      const ended = async () => ((await (await read(1, `/v1/comparisons/${id}`)).json()) as Comparison).summary.map(({ status }) => status)
      await expect.poll(ended, WAIT).toEqual(['succeeded', 'succeeded'])
      expect([(await unbegun()).length, submits() - before]).toEqual([0, 2])
    } finally {
      await client.end()
    }
  })
})
