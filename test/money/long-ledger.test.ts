import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CostReport } from '#contract'
import { migrate } from '../../src/store/sqlite/migrations.ts'
import { DATABASE_FILE } from '../../src/store/sqlite/open.ts'
import { json, launchGateway } from '../e2e/gateway.ts'
import type { Gateway } from '../e2e/gateway.ts'

const ROWS = 100_000
const keyHash = (key: string) => createHash('sha256').update(key).digest('hex')
const asBoss = { headers: { authorization: 'Bearer boss' } }
const DAY_MS = 86_400_000
const START = Date.UTC(2026, 0, 1)

let folder: string
let gateway: Gateway

/** A year of purchases: two providers, three sizes, four keys, a metadata project on each tenth generation. */
function writeYear(path: string): void {
  const database = new DatabaseSync(path)
  migrate(database)
  const line = database.prepare(`
    INSERT INTO ledger (at, kind, generation_id, attempt_id, key, provider, model, amount, period, quoted, images, task)
    VALUES (?, 'billed', ?, ?, ?, ?, 'flux-2-pro', ?, NULL, 30000000, 1, ?)`)
  database.exec('BEGIN')
  for (let index = 0; index < ROWS; index++) {
    const side = 512 * (1 + (index % 3))
    const made = { width: side, height: side, references: [] }
    const megapixels = Math.max(1, Math.ceil((side * side) / 1_048_576))
    const task = {
      providerModel: 'm',
      providerTaskId: `task-${index}`,
      status: 'succeeded',
      code: null,
      made,
      megapixels,
      fidelity: 'exact',
    }
    const at = START + Math.floor((index * 330 * DAY_MS) / ROWS)
    line.run(at, `gen_${index}`, `att_${index}`, `key-${index % 4}`, index % 2 === 0 ? 'bfl' : 'runware', 30_000_000, JSON.stringify(task))
  }
  database.exec('COMMIT')
  database.close()
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-year-'))
  writeYear(join(folder, DATABASE_FILE))
  const keys = [
    `{ name: boss, key_hash: ${keyHash('boss')}, admin: true }`,
    ...[0, 1].map((index) => `{ name: key-${index}, key_hash: ${keyHash(`key-${index}`)}, budget_usd: "5000", period: total }`),
  ]
  const providers =
    '{ bfl: { api_key: not-used, base_url: "http://127.0.0.1:9" }, runware: { api_key: not-used, base_url: "http://127.0.0.1:9" } }'
  gateway = await launchGateway({ dataDirectory: folder, config: `keys: [${keys.join(', ')}]\nproviders: ${providers}` })
}, 120_000)
afterAll(async () => {
  await gateway.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Measured<Result> {
  readonly result: Result
  /** The most that this thread worked in one turn of the event loop; unlike the time that passed, it is the same on a busy machine. */
  readonly longestTurnMs: number
}

async function measured<Result>(work: () => Promise<Result>): Promise<Measured<Result>> {
  const worked = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1_000
  }
  let [before, longestTurnMs, isDone] = [worked(), 0, false]
  const turn = (): void => {
    const now = worked()
    longestTurnMs = Math.max(longestTurnMs, now - before)
    before = now
    if (!isDone) setImmediate(turn)
  }
  turn()
  const result = await work()
  isDone = true
  return { result, longestTurnMs }
}

describe('an account of a hundred thousand lines', () => {
  test.each([
    ['of one key and size class, of which there is little', 'key=key-3&megapixels=3&to=2026-01-03&group_by=provider', 1],
    ['by month and size class, with budgets', 'group_by=month,megapixels', 22],
  ])('never stops everything else for long while its costs are read: %s', { timeout: 120_000 }, async (_, query, groups) => {
    const { result, longestTurnMs } = await measured(async () => json<CostReport>(await gateway.ask(`/v1/costs?${query}`, asBoss)))
    expect(result.groups).toHaveLength(groups)
    // Two keys have a budget over all of time: what was spent before they had it counts. A quarter of the lines is each one's, at 0.03.
    expect(result.budgets.map(({ used }) => used)).toEqual(query.startsWith('key=') ? [] : ['750', '750'])
    expect(longestTurnMs).toBeLessThan(50)
  })
})
