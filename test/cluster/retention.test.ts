import { mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { ask } from '../crash/nodes.ts'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { freshDatabase, POSTGRES_PROGRAMS } from '../support/postgres.ts'

const WAIT = { timeout: 60_000 }
const IMAGES = 3
const REMOVED = /"images":(\d+),[^\n]*images were removed/g

test.skipIf(POSTGRES_PROGRAMS === null)(
  'three nodes remove old images once in an hour, and those that a node left which was killed while it did so in the next one',
  { timeout: 120_000 },
  async () => {
    const url = await freshDatabase()
    const images = mkdtempSync(join(tmpdir(), 'imagegate-images-'))
    onTestFinished(() => rmSync(images, { recursive: true, force: true }))
    const vendors = await startVendors({ providers: ['bfl'] })
    onTestFinished(() => vendors.close())
    const start = async (maxAge: string): Promise<ServerProcess> => {
      const folder = vendors.folder(`store: { url: "${url}" }\nassets: { url: "file:${images}"${maxAge} }\n`)
      onTestFinished(() => folder.remove())
      const node = await startProcess(folder.environment)
      onTestFinished(async () => void (await node.kill('SIGKILL')))
      return node
    }
    const files = () => readdirSync(images, { recursive: true, withFileTypes: true }).filter((entry) => /^[0-9a-f]{64}\./.test(entry.name))
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    onTestFinished(() => client.end())
    const turns = async () =>
      (await client.query(`SELECT 1 FROM imagegate_work.job WHERE name = 'turns' AND singleton_key = 'retention'`)).rowCount
    const anHourLater = () => client.query(`DELETE FROM imagegate_work.job WHERE name = 'turns'`)

    const first = await start('')
    const urls: string[] = []
    for (let index = 0; index < IMAGES; index++) {
      const { generation } = await ask(first, 'bfl/flux-2-pro', { prefer: 'wait=60' }, { prompt: `a lighthouse ${index}` })
      urls.push(new URL(generation.images[0]?.url ?? '').pathname)
    }
    expect(await first.kill('SIGTERM')).toBe('0')
    const threeDaysAgo = new Date(Date.now() - 3 * 86_400_000)
    for (const { parentPath, name } of files()) utimesSync(join(parentPath, name), threeDaysAgo, threeDaysAgo)

    await anHourLater()
    // What the sweep reads is locked, so that the node stands in the middle of it.
    await client.query('BEGIN; LOCK imagegate.generation_plans')
    const killed = await start(', max_age_days: 1')
    await expect.poll(turns, WAIT).toBe(1)
    await killed.kill('SIGKILL')
    await client.query('COMMIT')
    expect(files()).toHaveLength(IMAGES)

    await anHourLater()
    const nodes = await Promise.all([1, 2, 3].map(() => start(', max_age_days: 1')))
    await expect.poll(() => files().length, WAIT).toBe(0)
    const gone = await Promise.all(nodes.flatMap((node) => urls.map(async (path) => (await fetch(node.url + path)).status)))
    expect(gone).toEqual(gone.map(() => 410))
    expect(await Promise.all(nodes.map((node) => node.kill('SIGTERM')))).toEqual(['0', '0', '0'])
    expect(nodes.flatMap((node) => [...node.said().matchAll(REMOVED)].map(([, count]) => count))).toEqual([String(IMAGES)])
    expect(await turns()).toBe(1)
  },
)
