import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDatabase } from '../../src/store/sqlite/open.ts'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { leastStop, LONGEST_STOP_MS, startNeighbour } from '../support/neighbour.ts'
import type { Neighbour } from '../support/neighbour.ts'

useRealSockets()

const ROWS = 60_000
const AT_ONCE = 60
const folder = mkdtempSync(join(tmpdir(), 'imagegate-words-'))
let server: ServerProcess
let neighbour: Neighbour
const ask = (key: string, path: string, body?: object): Promise<Response> =>
  fetch(server.url + path, {
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
  })

beforeAll(async () => {
  const keys = ['many', 'few'].map((name) => `{ name: ${name}, key_hash: ${createHash('sha256').update(name).digest('hex')} }`)
  writeFileSync(join(folder, 'imagegate.yaml'), `keys: [${keys.join(', ')}]\n`)
  const environment = { IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml') }
  server = await startProcess(environment)
  for (const key of ['many', 'few']) {
    const reply = await ask(key, '/v1/generations', {
      model: 'flux-2-pro',
      prompt: 'a zebra',
      width: 256,
      height: 256,
      webhook: { url: 'https://example.com/' },
    })
    expect(reply.status).toBe(200)
  }
  await server.kill('SIGTERM')
  multiply()
  server = await startProcess(environment)
  neighbour = await startNeighbour(server)
}, 60_000)
afterAll(async () => {
  neighbour.end()
  await server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** Gives the key that has many generations so many more, all with the same words. */
function multiply(): void {
  const database = openDatabase(join(folder, 'data', 'sandbox'))
  database.exec(`
    PRAGMA foreign_keys = OFF;
    BEGIN;
    CREATE TEMP TABLE sample AS SELECT g.*, p.plan FROM generations AS g JOIN generation_plans AS p USING (number) WHERE g.key = 'many';
    CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS}) SELECT i, printf('gen_%032x', i) AS name FROM n;
    INSERT INTO generations (number, id, created_at, status, open, model, provider, key, state)
      SELECT i, name, created_at + i, status, open, model, provider, key, state FROM n, sample;
    INSERT INTO generation_plans (number, plan)
      SELECT i, json_set(plan, '$.id', name, '$.createdAt', created_at + i, '$.request.prompt', 'a lighthouse beside a harbour, number-' || i) FROM n, sample;
    INSERT INTO prompt_search (prompt_search) VALUES ('delete-all');
    INSERT INTO prompt_search (rowid, prompt) SELECT number, plan ->> '$.request.prompt' FROM generation_plans;
    CREATE TEMP TABLE delivery AS SELECT * FROM webhook_deliveries WHERE key = 'many';
    INSERT INTO webhook_deliveries (id, created_at, generation_id, key, status, origin, next_try_at, record)
      SELECT printf('whd_%032x', i), created_at + i, generation_id, key, 'delivered', origin, NULL, record FROM n, delivery;
    COMMIT;
  `)
  database.close()
}

const ATTACKS: Readonly<Record<string, { readonly path: string; readonly found: number }>> = {
  'a search for a word that the 60,000 generations of another key have': { path: '/v1/generations?q=lighthouse', found: 0 },
  'a search for several of their words': { path: '/v1/generations?q=harbour%20lighthouse%20beside', found: 0 },
  'sixty lists at once that pass over them': { path: '/v1/generations?status=succeeded&model=flux-2-pro', found: 1 },
  'sixty lists at once that pass over the deliveries of its webhooks': { path: '/v1/webhooks/deliveries?status=delivered', found: 0 },
}
test.each(Object.entries(ATTACKS))('%s stops nobody for 50 ms', { timeout: 60_000 }, async (name, { path, found }) => {
  const times = name.startsWith('sixty') ? AT_ONCE : 1
  const attack = async (): Promise<void> => {
    const replies = await Promise.all(Array.from({ length: times }, () => ask('few', path)))
    for (const reply of replies) expect(((await reply.json()) as { readonly data: unknown }).data).toHaveLength(found)
  }
  const stops = await leastStop(neighbour, attack)
  expect(stops.failed).toBe(0)
  expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
})
