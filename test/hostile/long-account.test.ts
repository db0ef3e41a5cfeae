import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CostReport, Reconciliation } from '#contract'
import { migrate } from '../../src/store/sqlite/migrations.ts'
import { DATABASE_FILE } from '../../src/store/sqlite/open.ts'
import { startProcess, type ServerProcess } from '../crash/process.ts'
import { leastStop, LONGEST_STOP_MS, startNeighbour, type Neighbour } from '../support/neighbour.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const ROWS = 300_000
const VALUES = 1_900
const TRIES = 6
/** One purchase in ten seconds: 35 days. */
const APART_MS = 10_000
const START = Date.UTC(2026, 0, 1)

let folder: string
let server: ServerProcess
let neighbour: Neighbour

function writeAccount(path: string): void {
  const database = new DatabaseSync(path)
  migrate(database)
  const made = `{"width":512,"height":512,"references":[]}`
  const task = `{"providerModel":"m","providerTaskId":"task-%d","status":"succeeded","code":null,"made":${made},"megapixels":1,"fidelity":"exact"}`
  database.exec(`PRAGMA foreign_keys = OFF; BEGIN;
    CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS}) SELECT i, printf('gen_%032x', i) AS name FROM n;
    INSERT INTO ledger (at, kind, generation_id, attempt_id, key, provider, model, amount, period, quoted, images, task)
      SELECT ${START} + i * ${APART_MS}, 'billed', name, printf('att_%032x', i), 'boss', 'bfl', 'flux-2-pro', 30000000, NULL, 30000000, 1, printf('${task}', i) FROM n;
    INSERT INTO generation_metadata (key, value, created_at, generation_id)
      SELECT 'user', 'u' || (i % ${VALUES}), ${START} + i * ${APART_MS}, name FROM n;
    COMMIT`)
  database.close()
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-account-'))
  writeAccount(join(folder, DATABASE_FILE))
  const key = `{ name: boss, admin: true, key_hash: ${createHash('sha256').update('boss').digest('hex')} }`
  const file = join(folder, 'imagegate.yaml')
  writeFileSync(file, `keys: [${key}]\nproviders: { bfl: { api_key: a-vendor-key-0123, base_url: "http://127.0.0.1:9" } }\n`)
  server = await startProcess({ IMAGEGATE_DATA: folder, IMAGEGATE_CONFIG: file })
  neighbour = await startNeighbour(server)
}, 120_000)
afterAll(async () => {
  neighbour.end()
  await server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

async function ask<Answer>(path: string, invoice?: string): Promise<Answer> {
  const headers = { authorization: 'Bearer boss', 'content-type': 'text/csv' }
  const answer = await fetch(server.url + path, { headers, ...(invoice === undefined ? {} : { method: 'POST', body: invoice }) })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Answer
}

/** @returns the last answer */
async function withoutStop<Answer>(attack: () => Promise<Answer>): Promise<Answer> {
  let answer: Answer | null = null
  const stops = await leastStop(neighbour, async () => (answer = await attack()), TRIES)
  expect(stops.failed).toBe(0)
  expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
  if (answer === null) throw new RangeError('at least one try')
  return answer
}

test('an invoice of one line over an account of 300,000 purchases stops nobody', { timeout: 240_000 }, async () => {
  const path = '/v1/reconciliations?from=2026-01-01&to=2026-12-31'
  const answer = await withoutStop(() => ask<Reconciliation>(path, 'task_id,amount\ntask-555,0.03\n'))
  expect(answer.summary.equal.count).toBe(1)
  expect(answer.summary.not_on_invoice).toMatchObject({ count: ROWS - 1, recorded: '8999.97' })
  expect(answer.rows).toHaveLength(2_000)
  expect(answer.rows_left_out).toBe(ROWS - 2_000)
  expect(answer.rows[0]).toMatchObject({ outcome: 'not_on_invoice', task_id: 'task-1' })
})

test('costs of 300,000 purchases by 1,900 users stop nobody', { timeout: 240_000 }, async () => {
  const answer = await withoutStop(() => ask<CostReport>('/v1/costs?group_by=metadata.user'))
  expect(answer.total).toMatchObject({ spend: '9000', generations: ROWS, images: ROWS })
  expect(answer.groups).toHaveLength(VALUES)
  expect(answer.groups[0]).toMatchObject({ group: { 'metadata.user': 'u0' } })
})
