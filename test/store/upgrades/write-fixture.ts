import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MIGRATIONS } from '../../../src/store/sqlite/migrations.ts'
import { startProcess } from '../../crash/process.ts'
import { startVendors } from '../../crash/vendors.ts'

/**
 * `npm run fixture`: writes the database of a gateway that has lived, for the schema as it is now. Run it once for each new step of the
 * migrations; the fixtures of earlier schemas stay as they are, since that is what later versions will be given.
 */

/** The key that the fixture's generations belong to. */
export const FIXTURE_KEY = 'a-key-for-fixtures'
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
export const KEYS_YAML = `keys: [{ name: team, key_hash: ${sha256(FIXTURE_KEY)}, budget_usd: "100", period: total, admin: true }]\n`
export const checksumOf = (step: string): string => sha256(step)

export interface FixtureFacts {
  readonly schema: number
  /** ISO 8601: nothing in it is younger. */
  readonly made_at: string
  /** Of this schema's step: a released step is never edited. */
  readonly step_sha256: string
  readonly generations: number
  readonly open: readonly string[]
  readonly comparison: string
  readonly spend: string
  readonly budget_used: string
}

if (import.meta.main) await write()

async function write(): Promise<void> {
  const vendors = await startVendors({ providers: ['bfl', 'runware'], typicalMs: 300 })
  const folder = vendors.folder(KEYS_YAML)
  const server = await startProcess(folder.environment)
  const call = async (path: string, body?: object, prefer = 'wait=30') => {
    const reply = await fetch(`${server.url}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${FIXTURE_KEY}`,
        prefer,
        'idempotency-key': JSON.stringify(body ?? '').slice(0, 200),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    return (await reply.json()) as { id: string; total: { spend: string }; budgets: { used: string }[] }
  }
  const request = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256, metadata: { project: 'fixture' } }
  await call('/v1/generations', { ...request, n: 2, seed: 7 })
  await call('/v1/generations', { ...request, model: 'runware/flux-2-pro', webhook: { url: 'https://example.com/hook' } })
  await call('/v1/generations', { ...request, model: 'bfl/flux-2-pro', prompt: 'sandbox:moderated-output' })
  await call('/v1/generations', { ...request, model: 'bfl/flux-2-pro', prompt: 'sandbox:lost-reply' })
  const { id: comparison } = await call('/v1/comparisons', request)
  vendors.front('bfl').treat = ({ purpose }) => (purpose === 'poll' ? { kind: 'hang' } : { kind: 'pass' })
  const pending = await call('/v1/generations', { ...request, model: 'bfl/flux-2-pro', prompt: 'still open' }, 'respond-async')
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  const { total, budgets } = await call('/v1/costs')
  await server.kill('SIGKILL')

  const database = new DatabaseSync(join(folder.dataDirectory, 'imagegate.db'))
  const schema = MIGRATIONS.length
  const facts: FixtureFacts = {
    schema,
    made_at: new Date().toISOString(),
    step_sha256: checksumOf(MIGRATIONS[schema - 1] ?? ''),
    generations: Number(database.prepare('SELECT count(*) AS n FROM generations').get()?.['n']),
    open: [pending.id],
    comparison,
    spend: total.spend,
    budget_used: budgets[0]?.used ?? '',
  }
  writeFileSync(join(import.meta.dirname, `schema-${schema}.sql`), dump(database))
  writeFileSync(join(import.meta.dirname, `schema-${schema}.json`), `${JSON.stringify(facts, null, 2)}\n`)
  database.close()
  folder.remove()
  await vendors.close()
}

/** Statements that make the same database again. */
function dump(database: DatabaseSync): string {
  const schema = database
    .prepare(
      "SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'prompt_search_%' ORDER BY type = 'index', rowid",
    )
    .all() as unknown as { name: string; type: string; sql: string }[]
  // The index of prompts holds no text to dump: it is fed anew.
  const rows = schema.filter(({ type, name }) => type === 'table' && name !== 'prompt_search').flatMap(({ name }) => rowsOf(database, name))
  return [
    'PRAGMA foreign_keys = OFF;',
    ...schema.filter(({ type }) => type !== 'trigger').map(({ sql }) => `${sql};`),
    ...rows,
    // They would write rows a second time.
    ...schema.filter(({ type }) => type === 'trigger').map(({ sql }) => `${sql};`),
    `PRAGMA user_version = ${MIGRATIONS.length};`,
    '',
  ].join('\n')
}

function rowsOf(database: DatabaseSync, table: string): readonly string[] {
  const columns = database
    .prepare(`PRAGMA table_info(${table})`)
    .all()
    .map(({ name }) => `quote("${String(name)}")`)
  const rows = database
    .prepare(`SELECT 'INSERT INTO ${table} VALUES (' || ${columns.join(" || ',' || ")} || ');' AS line FROM ${table}`)
    .all()
  return rows.map(({ line }) => String(line))
}
