import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { useRealSockets } from '../transport/real-sockets.ts'
import { startProcess } from './process.ts'
import { startVendors, type Vendors } from './vendors.ts'

useRealSockets()

const PAGE_BYTES = 4_096
/** A stack, outside the lines of the log. */
const STACK = /^\s+at .*:\d+:\d+/m

let vendors: Vendors
let folder: ReturnType<Vendors['folder']>
let database: string
let whole: string
let rootPages: ReadonlyMap<string, number>

beforeAll(async () => {
  vendors = await startVendors({ providers: ['bfl'], typicalMs: 20 })
  folder = vendors.folder()
  const gateway = await startProcess(folder.environment)
  for (let index = 0; index < 12; index++) await buy(gateway.url, `before ${index}`)
  await gateway.kill('SIGTERM')
  database = join(folder.dataDirectory, 'imagegate.db')
  whole = `${folder.dataDirectory}-whole`
  cpSync(folder.dataDirectory, whole, { recursive: true })
  const opened = new DatabaseSync(database)
  const rows = opened.prepare('SELECT name, rootpage FROM sqlite_master WHERE rootpage > 0').all()
  rootPages = new Map(rows.map((row) => [String(row['name']), Number(row['rootpage'])]))
  opened.close()
}, 60_000)
afterAll(async () => {
  await vendors.close()
  folder.remove()
  rmSync(whole, { recursive: true, force: true })
})

async function buy(url: string, key: string): Promise<number> {
  const body = JSON.stringify({ model: 'bfl/flux-2-pro', prompt: key, width: 256, height: 256 })
  const headers = { 'content-type': 'application/json', prefer: 'wait=3', 'idempotency-key': key }
  return (await fetch(`${url}/v1/generations`, { method: 'POST', headers, body })).status
}

const inTable = (name: string) => (): void => {
  const bytes = readFileSync(database)
  bytes.fill(0xa5, ((rootPages.get(name) ?? 0) - 1) * PAGE_BYTES, (rootPages.get(name) ?? 0) * PAGE_BYTES)
  writeFileSync(database, bytes)
}
const byStatement = (statement: string) => (): void => {
  const opened = new DatabaseSync(database)
  opened.exec(statement)
  opened.close()
}

test.each<readonly [string, () => void]>([
  ['is a byte shorter than it was', () => truncateSync(database, readFileSync(database).length - 1)],
  ['has a page of 0xff', () => writeFileSync(database, readFileSync(database).fill(0xff, PAGE_BYTES, 2 * PAGE_BYTES))],
  ['has a negative version', byStatement('PRAGMA user_version = -1')],
  ['lacks a table', byStatement('DROP TABLE ledger')],
  ['has a key that is no JSON', byStatement(`INSERT INTO gateway_keys VALUES ('team', '{')`)],
  ['has no sense in its generations', inTable('generations')],
  ['has no sense in its plans', inTable('generation_plans')],
  ['has no sense in its keys', inTable('gateway_keys')],
  ['has no sense in its secrets', inTable('secrets')],
  ['has no sense in its account', inTable('ledger')],
  ['has no sense in its idempotency keys', inTable('idempotency')],
])('a gateway whose database %s does not start, or answers, and says why without a stack', { timeout: 30_000 }, async (_, damage) => {
  rmSync(folder.dataDirectory, { recursive: true })
  cpSync(whole, folder.dataDirectory, { recursive: true })
  damage()
  const submits = vendors.submits('bfl')
  const gateway = await startProcess(folder.environment).catch((refused: Error) => refused.message)
  const answers: number[] = []
  if (typeof gateway !== 'string') {
    for (const key of ['one', 'one', 'two']) answers.push(await buy(gateway.url, key).catch(() => 0))
    await sleep(300)
    const how = await Promise.race([gateway.ended, sleep(1, 'runs')])
    if (how === 'runs') await gateway.kill('SIGTERM')
    else answers.push(0)
  }
  const said = typeof gateway === 'string' ? gateway.slice(gateway.indexOf(':\n') + 2) : gateway.said()
  const outside = said
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .join('\n')
  expect(outside).not.toMatch(STACK)
  // It does not say that it listens, or it ends at once behind that, in words; or it serves.
  if (answers.length === 0 || answers.includes(0))
    expect(outside).toMatch(/imagegate cannot start:\n.*(damaged.*backup|read or written.*disk)/s)
  else for (const status of answers) expect([200, 202, 503]).toContain(status)
  expect(vendors.submits('bfl') - submits).toBe(new Set(answers.filter((status) => status < 300 && status > 0)).size === 0 ? 0 : 2)
})
