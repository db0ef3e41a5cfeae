import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { SANDBOX_KEY } from '#sandbox'
import { Comparison, Generation } from '#contract'
import { MIGRATIONS } from '../../src/store/sqlite/migrations.ts'
import { launchProcess } from '../e2e/gateway-process.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { startVendors } from '../crash/vendors.ts'
import { checksumOf, FIXTURE_KEY, KEYS_YAML } from './upgrades/write-fixture.ts'
import type { FixtureFacts } from './upgrades/write-fixture.ts'

useRealSockets()

const FOLDER = join(import.meta.dirname, 'upgrades')
const fixtures = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(join(FOLDER, name), 'utf8')) as FixtureFacts)

describe('the migrations', () => {
  test.each(fixtures)('of schema $schema are what they were when they were released', ({ schema, step_sha256 }) => {
    expect(checksumOf(MIGRATIONS[schema - 1] ?? '')).toBe(step_sha256)
  })

  test('have a database of the newest schema among the fixtures (npm run fixture writes it)', () => {
    expect(fixtures.map(({ schema }) => schema)).toContain(MIGRATIONS.length)
  })
})

describe('a gateway that is given the database of an earlier version', () => {
  test.each(fixtures)(
    'of schema $schema shows all of it, ends what was open and goes on',
    { timeout: 120_000 },
    async ({ schema, made_at, generations, open, comparison, spend, budget_used }) => {
      const directory = databaseOf(schema)
      const vendors = await startVendors({ providers: ['bfl', 'runware'] })
      const accounts = ['bfl', 'runware'].map((id) => `  ${id}: { api_key: ${SANDBOX_KEY}, base_url: "${vendors.front(id).url}" }`)
      const gateway = await launchProcess({
        dataDirectory: directory,
        config: `${KEYS_YAML}providers:\n${accounts.join('\n')}\n`,
        deadlineMs: 2_000,
      })
      const headers = { authorization: `Bearer ${FIXTURE_KEY}` }
      const read = async (path: string) => (await gateway.ask(path, { headers })).json() as Promise<Record<string, never>>
      const { data } = (await read('/v1/generations?limit=100')) as unknown as { data: unknown[] }
      expect(data).toHaveLength(generations)
      for (const one of data) expect(Generation.safeParse(one).error).toBeUndefined()
      expect(Comparison.safeParse(await read(`/v1/comparisons/${comparison}`)).error).toBeUndefined()
      expect(await read(`/v1/costs?to=${made_at}`)).toMatchObject({ total: { spend }, budgets: [{ key: 'team', used: budget_used }] })
      for (const id of open)
        await expect.poll(async () => (await read(`/v1/generations/${id}`))['status'], { timeout: 60_000 }).toBe('failed')
      const { status, key = null } = (await gateway.generate({ width: 256, height: 256 }, headers)) as { status: string; key?: string }
      expect({ status, key }).toMatchObject({ status: 'succeeded' })
      await gateway.close()
      await vendors.close()
      rmSync(directory, { recursive: true, force: true })
    },
  )
})

function databaseOf(schema: number): string {
  const directory = mkdtempSync(join(tmpdir(), 'imagegate-upgrade-'))
  mkdirSync(directory, { recursive: true })
  const database = new DatabaseSync(join(directory, 'imagegate.db'))
  database.exec(readFileSync(join(FOLDER, `schema-${schema}.sql`), 'utf8'))
  database.close()
  return directory
}
