import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ListQuery, Store } from '../../../src/core/ports.ts'
import { openDatabase } from '../../../src/store/sqlite/open.ts'
import { openStore } from '../../../src/store/sqlite/store.ts'
import { generationRecord } from '../records.ts'

const ROWS = 100_000
/** In the metadata of one half of the generations; the same number with a 1 is in the other half’s. */
const PAIRS = 16
let store: Store
let directory: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'imagegate-list-'))
  const first = await openStore({ directory })
  await first.commit({ generations: [generationRecord('gen_sample', { createdAt: 1 })] })
  await first.close()
  const database = openDatabase(directory)
  database.exec(`
    CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS}) SELECT i FROM n;
    INSERT INTO generations (id, created_at, status, open, model, provider, key, state)
      SELECT printf('gen_%06d', i), 1000 + i, iif(i % 10 = 0, 'failed', 'succeeded'), 0, iif(i % 2, 'model-a', 'model-b'), iif(i % 3, 'alpha', 'beta'),
        iif(i % 5, 'team-a', 'team-b'), (SELECT state FROM generations WHERE id = 'gen_sample') FROM n;
    INSERT INTO generation_plans (number, plan)
      SELECT g.number, json_set(p.plan, '$.id', g.id, '$.createdAt', g.created_at)
        FROM generations AS g, (SELECT plan FROM generation_plans) AS p WHERE g.id <> 'gen_sample';
    WITH RECURSIVE p (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM p WHERE k < ${PAIRS - 1})
      INSERT INTO generation_metadata (key, value, created_at, generation_id)
      SELECT 'k' || k, i % 2, 1000 + i, printf('gen_%06d', i) FROM p, n WHERE k < 2 OR i % 8 < 2;
  `)
  database.close()
  store = await openStore({ directory })
  await store.commit({ generations: [generationRecord('gen_rare', { createdAt: 400 * 86_400_000, model: 'model-c' })] })
}, 60_000)
afterAll(async () => {
  await store.close()
  rmSync(directory, { recursive: true, force: true })
})

const pairs = (count: number, value = '0'): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, value]))

const QUERIES: Readonly<Record<string, Omit<ListQuery, 'limit'>>> = {
  'no filter': {},
  'a status that is rare among the newest': { status: 'queued' },
  'all filters but metadata, in vain': { status: 'failed', model: 'model-a', provider: 'beta', key: 'team-a' },
  'two pairs that exclude each other': { metadata: { k0: '0', k1: '1' } },
  'sixteen pairs of which the last fits nothing': { metadata: { ...pairs(15), k15: '1' } },
  'sixteen pairs and a status that never comes with them': { status: 'canceled', metadata: pairs(16) },
  'sixteen pairs that nobody has': { metadata: pairs(16, 'x') },
}

/** CPU of this thread between two turns of the event loop, at most, in milliseconds. */
async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  const cpuMs = (): number => (({ user, system }) => (user + system) / 1_000)(process.threadCpuUsage())
  let longest = 0
  let before = cpuMs()
  let isDone = false
  const turn = (): void => {
    const now = cpuMs()
    longest = Math.max(longest, now - before)
    before = now
    if (!isDone) setImmediate(turn)
  }
  setImmediate(turn)
  await work()
  isDone = true
  turn()
  return longest
}

test.each(Object.entries(QUERIES))('a list of 100,000 generations with %s stops nobody for 20 ms', async (_name, query) => {
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < 3 && least >= 20; run += 1) least = Math.min(least, await longestTurn(() => store.list({ ...query, limit: 100 })))
  expect(least).toBeLessThan(20)
})

test('a filtered list walks page by page over every generation that fits, once, however rare they are', async () => {
  const walk = async (query: Omit<ListQuery, 'limit' | 'cursor'>): Promise<string[]> => {
    const ids: string[] = []
    let cursor: string | undefined
    do {
      const page = await store.list({ ...query, limit: 37, ...(cursor === undefined ? {} : { cursor }) })
      ids.push(...page.records.map(({ id }) => id))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined && ids.length < 300)
    return ids
  }
  const rare = await walk({ metadata: { k0: '0', k9: '0' }, status: 'failed', key: 'team-b' })
  expect(rare.length).toBeGreaterThan(100)
  expect(new Set(rare).size).toBe(rare.length)
  expect(rare).toEqual(rare.toSorted().toReversed())
})

/** CPU of ten such lists, in microseconds. */
async function cpuOf(query: Omit<ListQuery, 'limit'>, found = 0): Promise<number> {
  const { user } = process.threadCpuUsage()
  for (let run = 0; run < 10; run += 1) expect((await store.list({ ...query, limit: 100 })).records).toHaveLength(found)
  return process.threadCpuUsage().user - user
}
/** Names that generations have, and never together: every generation is passed over. */
const NEVER_TOGETHER = { status: 'succeeded', key: 'team-b', model: 'model-b' } as const

test.each(['running', 'canceled'] as const)('a list of the %s ones passes over none of those that succeeded', async (status) => {
  expect((await cpuOf({ status })) / (await cpuOf(NEVER_TOGETHER))).toBeLessThan(0.4)
})

test.each(['model', 'provider', 'key'] as const)('a list or a search by a %s that nobody has passes over no generation', async (name) => {
  const inVain = { [name]: 'nobody-has-it' }
  const all = await cpuOf(NEVER_TOGETHER)
  expect((await cpuOf(inVain)) / all).toBeLessThan(0.2)
  expect((await cpuOf({ ...inVain, search: 'lighthouse' })) / all).toBeLessThan(0.2)
})

test('a list by a model that one day has passes over no other day', async () => {
  const all = await cpuOf(NEVER_TOGETHER)
  expect((await cpuOf({ model: 'model-c' }, 1)) / all).toBeLessThan(0.2)
})
