import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import type { Comparison } from '#contract'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { relayEntry, startOddVendor } from '../support/odd-relay.ts'
import { freshDatabase, POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const RELAYS = ['cheap', 'dear']
const IMAGE = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } })
  .jpeg()
  .toBuffer()

/** A relay that sells at two prices, and what was ordered of it. */
async function startRelay(): Promise<{ readonly url: string; readonly ordered: string[] }> {
  const ordered: string[] = []
  const url = await startOddVendor((sent) => {
    ordered.push((JSON.parse(sent) as { model: string }).model)
    return { body: { data: [{ b64_json: IMAGE.toString('base64') }] } }
  })
  return { url, ordered }
}

interface Shop {
  start(): Promise<ServerProcess>
  readonly folder: string
  readonly ordered: readonly string[]
}

async function openShop(store = ''): Promise<Shop> {
  const { url, ordered } = await startRelay()
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-accepted-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'imagegate.yaml')
  writeFileSync(file, `${store}providers:\n${relayEntry('cheap', url, '0.02')}${relayEntry('dear', url, '0.10')}`)
  return {
    folder,
    ordered,
    async start() {
      const environment = { IMAGEGATE_CONFIG: file, IMAGEGATE_DATA: join(folder, 'data') }
      const server = await startOverridden(environment, { comparisonsEveryMs: 300 })
      onTestFinished(async () => void (await server.kill('SIGKILL')))
      return server
    },
  }
}

async function compare({ url }: ServerProcess): Promise<{ readonly status: number; readonly body: Comparison }> {
  const headers = { 'content-type': 'application/json', prefer: 'wait=1' }
  const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a tree', width: 1024, height: 1024, providers: RELAYS })
  const reply = await fetch(`${url}/v1/comparisons`, { method: 'POST', headers, body })
  return { status: reply.status, body: (await reply.json()) as Comparison }
}

const rows = ({ summary }: Comparison) => summary.map(({ provider, status }) => [provider, status])

/** It was answered as accepted, with nothing bought yet; then each of its providers is asked once, with nobody asking again. */
async function goesOn({ url }: ServerProcess, { ordered }: Shop, { status, body }: Awaited<ReturnType<typeof compare>>): Promise<void> {
  expect({ status, rows: rows(body) }).toEqual({ status: 202, rows: RELAYS.map((provider) => [provider, 'queued']) })
  const show = async () => (await (await fetch(`${url}/v1/comparisons/${body.id}`)).json()) as Comparison
  await expect.poll(async () => (await show()).status, { timeout: 20_000 }).toBe('succeeded')
  expect(rows(await show())).toEqual(RELAYS.map((provider) => [provider, 'succeeded']))
  expect(ordered.toSorted()).toEqual(RELAYS)
}

test('a comparison that is on disk when the database takes no more is accepted, not an error that is bought afterwards', async () => {
  const shop = await openShop()
  await (await shop.start()).kill('SIGTERM')
  const change = (statement: string): void => {
    const database = new DatabaseSync(join(shop.folder, 'data', 'imagegate.db'))
    database.exec(statement)
    database.close()
  }
  change("CREATE TRIGGER refuse BEFORE INSERT ON generations BEGIN SELECT RAISE(FAIL, 'no'); END")
  const refusing = await shop.start()
  const answered = await compare(refusing)
  expect(shop.ordered).toEqual([])
  await refusing.kill('SIGTERM')
  change('DROP TRIGGER refuse')
  await goesOn(await shop.start(), shop, answered)
}, 60_000)

test.skipIf(POSTGRES_PROGRAMS === null)(
  'the same in PostgreSQL whose disk is full, while the gateway goes on running',
  async () => {
    const database = await freshDatabase()
    const shop = await openShop(`store: { url: "${database}" }\n`)
    const server = await shop.start()
    const client = new pg.Client({ connectionString: database })
    await client.connect()
    onTestFinished(() => client.end())
    const { rows: found } = await client.query<{ table_schema: string }>(
      "SELECT table_schema FROM information_schema.tables WHERE table_name = 'generations'",
    )
    await client.query(`SET search_path TO ${found[0]?.table_schema}`)
    await client.query(
      "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$",
    )
    await client.query('CREATE TRIGGER refuse BEFORE INSERT ON generations FOR EACH ROW EXECUTE FUNCTION refuse()')
    const answered = await compare(server)
    expect(shop.ordered).toEqual([])
    await client.query('DROP TRIGGER refuse ON generations')
    await goesOn(server, shop, answered)
  },
  60_000,
)
