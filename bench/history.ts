import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../src/store/sqlite/open.ts'
import { openStore } from '../src/store/sqlite/store.ts'
import { THIS_CHECKOUT } from './gateway.ts'
import { median, serve } from './processes.ts'
import type { Served } from './processes.ts'

/** Generations stored; settled evenly over a year that ends now. */
const COUNT = Number(process.env['HISTORY_COUNT'] ?? 1_000_000)
const YEAR_MS = 365 * 86_400_000
const TRIES = 5
const AIMS = { readyMs: 1_000, listMs: 50, costsMs: 300, stopMs: 50 }

const WORDS = ['fox', 'harbour', 'glacier', 'orchard', 'lantern', 'violin', 'desert', 'kettle', 'meadow', 'tram', 'owl', 'cathedral']
const SIZES = [[1024, 1024], [1536, 1024], [768, 1344], [512, 512], [1920, 1088], [1024, 1536]] as const // prettier-ignore

/** What a gateway with a long history answers, and how quickly. Builds the history itself: real generations, copied with other ids and dates. */
export async function history(): Promise<void> {
  const vendor = await serve('./servers/vendor.ts')
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-history-'))
  const config = join(folder, 'imagegate.yaml')
  const allow = new URL(vendor.url).host
  writeFileSync(
    config,
    `assets: { keep: false }\nnetwork: { allow: ["${allow}"] }\nproviders: { runware: { base_url: "${vendor.url}", api_key: bench-key-0123 } }\n`,
  )
  const environment = { IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'data'), PORT: '0' }
  try {
    const first = await started(environment)
    for (const index of SIZES.keys()) await generate(first.url, index)
    await ended(first)
    const begunAt = performance.now()
    multiply(join(folder, 'data'), COUNT)
    console.log(`${COUNT.toLocaleString('en')} generations stored in ${((performance.now() - begunAt) / 1_000).toFixed(0)} s`)
    await beforeAddedUp(environment)
    await addUp(join(folder, 'data'))
    const gateway = await started(environment)
    console.log(`start to ready  ${gateway.readyMs.toFixed(0)} ms (aim < ${AIMS.readyMs})`)
    for (const [name, path] of Object.entries(QUESTIONS)) await measure(gateway.url, name, path)
    await ended(gateway)
  } finally {
    vendor.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const day = (daysAgo: number): string => new Date(Date.now() - daysAgo * 86_400_000).toISOString().slice(0, 10)
const QUESTIONS: Readonly<Record<string, string>> = {
  'list, newest': '/v1/generations?limit=50',
  'list, one of three metadata': '/v1/generations?limit=50&metadata.team=b',
  'list, rare metadata': '/v1/generations?limit=50&metadata.number=number-77',
  'list, model and provider': '/v1/generations?limit=50&model=flux-2-pro&provider=runware&status=succeeded',
  'list, nothing fits': '/v1/generations?limit=50&status=failed',
  'list, a model that nobody has': '/v1/generations?limit=50&model=flux-2-max',
  'list, one in 10,000': '/v1/generations?limit=50&model=flux-2-flex',
  'list, names never together': '/v1/generations?limit=50&model=flux-2-flex&provider=bfl',
  'search, a common word': '/v1/generations?limit=50&q=harbour',
  'search, two words': '/v1/generations?limit=50&q=harbour%20glacier',
  'search, a rare word': '/v1/generations?limit=50&q=number-77',
  'search, nothing fits': '/v1/generations?limit=50&q=zeppelin',
  'costs, a day by provider': `/v1/costs?from=${day(1)}&to=${day(1)}&group_by=provider`,
  'costs, a month by provider': `/v1/costs?from=${day(30)}&to=${day(1)}&group_by=provider`,
  'costs, a month by day': `/v1/costs?from=${day(30)}&to=${day(1)}&group_by=day`,
  'costs, a month by metadata': `/v1/costs?from=${day(30)}&to=${day(1)}&group_by=metadata.team`,
  'costs, the year by month': '/v1/costs?group_by=month',
  'costs, the year by metadata': '/v1/costs?group_by=metadata.team',
}

/** Days are added up behind what is asked; until then, as after an upgrade, a report reads each line. */
async function beforeAddedUp(environment: Readonly<Record<string, string>>): Promise<void> {
  const gateway = await started(environment)
  for (const name of ['costs, the year by month', 'costs, the year by metadata'])
    await measure(gateway.url, `${name}, by lines`, QUESTIONS[name] ?? '')
  await ended(gateway)
}

/** What a gateway does by itself, within a minute or two. */
async function addUp(directory: string): Promise<void> {
  const store = await openStore({ directory })
  const begunAt = performance.now()
  const cpuBefore = process.cpuUsage()
  let days = 0
  while (await store.addUpDay(Date.now(), new AbortController().signal)) days++
  const { user, system } = process.cpuUsage(cpuBefore)
  console.log(
    `${days} days added up in ${((performance.now() - begunAt) / 1_000).toFixed(0)} s, with ${((user + system) / 1e6).toFixed(1)} s of CPU`,
  )
  await store.close()
}

async function measure(url: string, name: string, path: string): Promise<void> {
  const waits: number[] = []
  const late: number[] = []
  const tries = name.includes('year') ? 1 : TRIES
  for (let run = 0; run < tries; run++) {
    await lateMs(url)
    const askedAt = performance.now()
    const reply = await fetch(`${url}${path}`)
    const text = await reply.text()
    if (!reply.ok) throw new Error(`${path}: ${text.slice(0, 300)}`)
    waits.push(performance.now() - askedAt)
    late.push(await lateMs(url))
  }
  const aim = name.startsWith('costs') ? (name.startsWith('costs, a month') ? ` (aim < ${AIMS.costsMs})` : '') : ` (aim < ${AIMS.listMs})`
  console.log(
    `${name.padEnd(30)} ${median(waits).toFixed(0).padStart(6)} ms${aim}; event loop late ${median(late).toFixed(0)} ms at most (aim < ${AIMS.stopMs})`,
  )
}

/** The longest that the event loop was late since it was asked before. */
const lateMs = async (url: string): Promise<number> =>
  Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1]) * 1_000

async function generate(url: string, index: number): Promise<void> {
  const [width, height] = SIZES[index] ?? [1024, 1024]
  const body = JSON.stringify({
    model: 'flux-2-pro',
    prompt: 'a prompt',
    width,
    height,
    metadata: { team: ['a', 'b', 'c'][index % 3], number: 'sample' },
  })
  const reply = await fetch(`${url}/v1/generations`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  if (reply.status !== 200) throw new Error(await reply.text())
}

/** Each copy has its own ids, date, prompt and metadata; what it cost is what its original did. */
function multiply(directory: string, count: number): void {
  const database = openDatabase(directory)
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY')
  const step = YEAR_MS / count
  const begin = Date.now() - YEAR_MS
  const words = `CASE i % 12 ${WORDS.map((word, index) => `WHEN ${index} THEN '${word}'`).join(' ')} END`
  const others = `CASE (i / 12) % 12 ${WORDS.map((word, index) => `WHEN ${index} THEN '${word}'`).join(' ')} END`
  database.exec(`
    BEGIN;
    CREATE TEMP TABLE sample AS SELECT row_number() OVER (ORDER BY g.number) - 1 AS which, g.*, p.plan FROM generations AS g JOIN generation_plans AS p USING (number);
    CREATE TEMP TABLE n AS
      WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${count - 1})
      SELECT i, i % (SELECT count(*) FROM sample) AS which, CAST(${begin} + i * ${step} AS INTEGER) AS at, printf('%032x', i) AS hex,
        'a ' || ${words} || ' beside a ' || ${others} || ' in the evening light, oil on canvas, number-' || i || '.' AS prompt FROM n;
    DELETE FROM generations; DELETE FROM generation_plans; DELETE FROM attempt_calls; DELETE FROM generation_metadata; DELETE FROM prompt_search WHERE 0;
    INSERT INTO generations (number, id, created_at, status, open, model, provider, key, state)
      SELECT i + 1, 'gen_' || hex, at, status, open, iif(i % 10000 = 0, 'flux-2-flex', model), iif(i % 2, 'bfl', provider), key, state
        FROM n JOIN sample USING (which);
    INSERT INTO generation_plans (number, plan)
      SELECT i + 1, json_set(plan, '$.id', 'gen_' || hex, '$.createdAt', at, '$.request.prompt', prompt) FROM n JOIN sample USING (which);
    INSERT INTO generation_metadata (key, value, created_at, generation_id)
      SELECT 'team', substr('abc', i % 3 + 1, 1), at, 'gen_' || hex FROM n ORDER BY 2, 3;
    INSERT INTO generation_metadata (key, value, created_at, generation_id) SELECT 'number', 'number-' || i, at, 'gen_' || hex FROM n ORDER BY 2;
    CREATE TEMP TABLE lines AS SELECT s.which, l.* FROM ledger AS l JOIN sample AS s ON s.id = l.generation_id;
    DELETE FROM ledger;
    INSERT INTO ledger (at, kind, generation_id, attempt_id, key, provider, model, amount, period, quoted, images, task)
      SELECT n.at, kind, 'gen_' || hex, iif(attempt_id IS NULL, NULL, 'att_' || hex), key, provider, model, amount, period, quoted, images,
        iif(task IS NULL, NULL, json_set(task, '$.providerTaskId', lower(hex(randomblob(16))), '$.durationMs', abs(random() % 9000)))
        FROM n JOIN lines USING (which) ORDER BY n.i;
    INSERT INTO prompt_search (prompt_search) VALUES ('delete-all');
    INSERT INTO prompt_search (rowid, prompt) SELECT i + 1, prompt FROM n;
    COMMIT;
  `)
  database.close()
}

interface Started extends Served {
  readonly readyMs: number
}

async function started(environment: Readonly<Record<string, string>>): Promise<Started> {
  const begunAt = performance.now()
  const gateway = await serve(join(THIS_CHECKOUT, 'bin/gateway.mjs'), [], environment)
  if (!(await fetch(`${gateway.url}/readyz`)).ok) throw new Error('it listens and is not ready')
  return { ...gateway, readyMs: performance.now() - begunAt }
}

async function ended(gateway: Served): Promise<void> {
  gateway.stop()
  await gateway.ended
}
