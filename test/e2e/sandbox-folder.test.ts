import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess, type ServerProcess } from '../crash/process.ts'
import { startVendors, type Vendors } from '../crash/vendors.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

const KEY = 'a-key-for-the-sandbox-folder'
const KEYS = `keys: [{ name: team, key_hash: ${createHash('sha256').update(KEY).digest('hex')}, budget_usd: "100", period: month, scope: admin }]\n`
/** What an earlier version kept at the top of the data folder, whoever had bought it. */
const KEPT = ['imagegate.db', 'imagegate.db-wal', 'images', 'webhook.secret', 'node.secret']

/** On a machine that is busy with other tests. */
const PATIENCE = { timeout: 15_000 }

let vendors: Vendors
beforeAll(async () => {
  vendors = await startVendors({ providers: ['bfl'] })
})
afterAll(() => vendors.close())

const cleanUp: (() => unknown)[] = []
afterEach(async () => {
  for (const one of cleanUp.splice(0).toReversed()) await one()
})

/** One data folder, with a configuration that has a key of a real provider and one that has none. */
function dataFolder() {
  const { environment, dataDirectory, remove } = vendors.folder(KEYS)
  cleanUp.push(remove)
  const withoutKey = join(dirname(dataDirectory), 'sandbox.yaml')
  writeFileSync(withoutKey, KEYS)
  const started = async (env: Readonly<Record<string, string>>): Promise<ServerProcess> => {
    const server = await startProcess(env)
    cleanUp.push(() => server.kill('SIGKILL'))
    return server
  }
  return {
    dataDirectory,
    startReal: () => started(environment),
    startSandbox: (yaml = '', more: Readonly<Record<string, string>> = {}) => {
      writeFileSync(withoutKey, `${KEYS}${yaml}`)
      return started({ ...environment, IMAGEGATE_CONFIG: withoutKey, ...more })
    },
  }
}

async function ask<Body>({ url }: ServerProcess, path: string, body?: object, prefer = 'wait=60'): Promise<Body> {
  const authorization = `Bearer ${KEY}`
  const headers = { authorization, 'content-type': 'application/json', prefer }
  const init = body === undefined ? { headers: { authorization } } : { method: 'POST', headers, body: JSON.stringify(body) }
  return (await fetch(`${url}${path}`, init)).json() as Promise<Body>
}

interface Costs {
  readonly total: { readonly spend: string; readonly count: number }
  readonly budgets: readonly { readonly used: string }[]
}

const request = { model: 'bfl/flux-2-pro', prompt: 'a hill at noon', width: 256, height: 256 }
const buy = (server: ServerProcess, more: object = {}, prefer?: string) =>
  ask<Generation>(server, '/v1/generations', { ...request, ...more }, prefer)
const listed = async (server: ServerProcess) =>
  (await ask<{ data: readonly Generation[] }>(server, '/v1/generations?limit=100')).data.map(({ id, sandbox }) => ({ id, sandbox }))
const moneyOf = async (server: ServerProcess) => {
  const { total, budgets } = await ask<Costs>(server, '/v1/costs')
  return { spend: total.spend, count: total.count, used: budgets[0]?.used }
}
const latencies = async (server: ServerProcess) => {
  const { data } = await ask<{ data: readonly { offers: readonly { latency_ms: unknown }[] }[] }>(server, '/v1/models')
  return data.flatMap(({ offers }) => offers.map((offer) => offer.latency_ms)).filter((latency) => latency !== null)
}
const imageStatus = async (server: ServerProcess, { images: [image] }: Generation) =>
  (await fetch(`${server.url}${new URL(image?.url ?? server.url).pathname}`, { headers: { authorization: `Bearer ${KEY}` } })).status

describe('a data folder', () => {
  test('keeps all of a sandbox in a folder of its own, and real providers see nothing of it', { timeout: 180_000 }, async () => {
    const { dataDirectory, startReal, startSandbox } = dataFolder()
    const first = await startSandbox()
    const bought = await buy(first)
    expect(bought).toMatchObject({ status: 'succeeded', sandbox: true })
    expect(await moneyOf(first)).toEqual({ spend: '0.03', count: 1, used: '0.03' })
    expect(first.said()).toContain(`data: ${join(dataDirectory, 'sandbox')};`)
    await first.kill('SIGKILL')
    expect(readdirSync(dataDirectory)).toEqual(['sandbox'])
    expect(readdirSync(join(dataDirectory, 'sandbox'))).toEqual(expect.arrayContaining(['emulators', 'imagegate.db', 'images']))

    const real = await startReal()
    expect(real.said()).toContain(`data: ${dataDirectory};`)
    expect(await listed(real)).toEqual([])
    expect(await moneyOf(real)).toEqual({ spend: '0', count: 0, used: '0' })
    expect(await latencies(real)).toEqual([])
    expect(await ask(real, `/v1/generations/${bought.id}`)).toMatchObject({ code: 'not_found' })
    expect(await buy(real)).toMatchObject({ status: 'succeeded', sandbox: false })
    await real.kill('SIGTERM')

    const again = await startSandbox()
    expect(await listed(again)).toEqual([{ id: bought.id, sandbox: true }])
    expect(await moneyOf(again)).toEqual({ spend: '0.03', count: 1, used: '0.03' })
    expect(await imageStatus(again, bought)).toBe(200)
  })

  test(
    'keeps a sandbox apart from an explicit store.url and assets.url too, and says that they are not used',
    { timeout: 60_000 },
    async () => {
      const { dataDirectory, startSandbox } = dataFolder()
      const elsewhere = join(dirname(dataDirectory), 'elsewhere')
      const sandbox = await startSandbox(`store: { url: "file:${elsewhere}/imagegate.db" }\nassets: { url: "file:${elsewhere}/images" }\n`)
      expect((await buy(sandbox)).status).toBe('succeeded')
      expect(existsSync(elsewhere)).toBe(false)
      expect(existsSync(join(dataDirectory, 'sandbox/imagegate.db'))).toBe(true)
      for (const name of ['store.url', 'assets.url']) expect(sandbox.said()).toMatch(new RegExp(`${name}: is not used in the sandbox`))
      await sandbox.kill('SIGTERM')
      const remote = await startSandbox('store: { url: "postgres://db.example/imagegate" }\n')
      expect((await listed(remote)).length).toBe(1)
    },
  )
})

/** Moves what was kept from one folder to another, and makes the database one of a version that did not mark it. */
function moveKept(from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  for (const name of KEPT) {
    if (!existsSync(join(from, name))) continue
    cpSync(join(from, name), join(to, name), { recursive: true })
    rmSync(join(from, name), { recursive: true })
  }
  const database = new DatabaseSync(join(to, 'imagegate.db'))
  database.exec('PRAGMA application_id = 0')
  database.close()
}

describe('a data folder of an earlier version', () => {
  test(
    'whose sandbox rows lie among real ones shows them, marked, and counts them nowhere; what was open there is sent to nobody',
    { timeout: 180_000 },
    async () => {
      const { dataDirectory, startReal, startSandbox } = dataFolder()
      const before = await startReal()
      const real = await buy(before)
      await before.kill('SIGTERM')
      moveKept(dataDirectory, join(dataDirectory, 'sandbox'))
      const sandbox = await startSandbox('providers: { bfl: { max_in_flight: 2 } }\n')
      const play = await buy(sandbox, { prompt: 'a hill at night' })
      const open = await buy(sandbox, { prompt: 'a hill sandbox:never' }, 'respond-async')
      // One task is at the vendor, one waits for a slot with its intent on disk or not.
      const waiting = await Promise.all([1, 2].map(() => buy(sandbox, { prompt: 'a hill sandbox:never' }, 'respond-async')))
      await expect.poll(async () => (await ask<Generation>(sandbox, `/v1/generations/${open.id}`)).status, PATIENCE).toBe('running')
      expect(await moneyOf(sandbox)).toMatchObject({ spend: '0.06', used: '0.15' })
      await sandbox.kill('SIGKILL')
      moveKept(join(dataDirectory, 'sandbox'), dataDirectory)
      rmSync(join(dataDirectory, 'sandbox'), { recursive: true })

      const submits = vendors.submits('bfl')
      const after = await startReal()
      const opened = [open, ...waiting].map(({ id }) => id)
      for (const id of opened) {
        await expect.poll(async () => (await ask<Generation>(after, `/v1/generations/${id}`)).status, PATIENCE).toBe('failed')
        const { error, sandbox: isMarked } = await ask<Generation>(after, `/v1/generations/${id}`)
        expect({ isMarked, error }).toMatchObject({
          isMarked: true,
          error: { billed: false, message: expect.stringContaining('begun in the sandbox') },
        })
      }
      expect(await ask(after, `/v1/generations/${play.id}`)).toMatchObject({ status: 'succeeded', sandbox: true, cost: { amount: '0.03' } })
      expect(await imageStatus(after, play)).toBe(200)
      const marks = new Map((await listed(after)).map(({ id, sandbox: isMarked }) => [id, isMarked]))
      expect(Object.fromEntries(marks)).toEqual({ [real.id]: false, ...Object.fromEntries([play.id, ...opened].map((id) => [id, true])) })
      expect(await moneyOf(after)).toEqual({ spend: '0.03', count: 1, used: '0.03' })
      expect(await latencies(after)).toEqual([expect.objectContaining({ samples: 1 })])
      expect(vendors.submits('bfl'), 'nothing of the sandbox is bought for real').toBe(submits)
      await buy(after)
      expect(await moneyOf(after)).toEqual({ spend: '0.06', count: 2, used: '0.06' })
      await after.kill('SIGTERM')

      const afterwards = await startReal()
      expect(await moneyOf(afterwards)).toEqual({ spend: '0.06', count: 2, used: '0.06' })
      await afterwards.kill('SIGTERM')
      const fresh = await startSandbox()
      expect(await listed(fresh), 'a sandbox is given no folder that holds real rows').toEqual([])
    },
  )

  test(
    'a sandbox’s backup is restored into the sandbox’s own folder, with vendor keys or without, and is found there',
    { timeout: 180_000 },
    async () => {
      const { dataDirectory, startSandbox } = dataFolder()
      const first = await startSandbox()
      const play = await buy(first)
      const [backup, restored] = [join(dataDirectory, 'backup'), join(dataDirectory, 'restored')]
      const env = {
        ...BARE_ENVIRONMENT,
        IMAGEGATE_CONFIG: '',
        IMAGEGATE_DATA: restored,
        BFL_API_KEY: 'a-real-key',
        IMAGEGATE_KEY: KEY,
      }
      const imagegate = (...args: readonly string[]) =>
        execFileSync(process.execPath, ['bin/imagegate.mjs', ...args], { env, encoding: 'utf8' })
      imagegate('backup', backup, '--url', first.url)
      await first.kill('SIGKILL')
      expect(imagegate('restore', backup)).toContain(`${restored}/sandbox: 1 generations and 1 images`)
      expect([existsSync(join(restored, 'imagegate.db')), existsSync(join(restored, 'sandbox/imagegate.db'))]).toEqual([false, true])
      const second = await startSandbox('', { IMAGEGATE_DATA: restored })
      expect((await listed(second)).map(({ id }) => id)).toEqual([play.id])
      expect(await imageStatus(second, play)).toBe(200)
    },
  )

  test('that holds a sandbox alone goes on in the sandbox, and stays readable beside real providers', { timeout: 180_000 }, async () => {
    const { dataDirectory, startReal, startSandbox } = dataFolder()
    const old = await startSandbox()
    const play = await buy(old)
    const slow = await buy(old, { prompt: 'a hill sandbox:slow' }, 'respond-async')
    await expect
      .poll(async () => (await ask<Generation>(old, `/v1/generations/${slow.id}`)).attempts[0]?.provider_task_id, PATIENCE)
      .toBeTruthy()
    await old.kill('SIGKILL')
    moveKept(join(dataDirectory, 'sandbox'), dataDirectory)

    const sandbox = await startSandbox()
    expect((await listed(sandbox)).map(({ id }) => id).toSorted()).toEqual([play.id, slow.id].toSorted())
    expect(await imageStatus(sandbox, play)).toBe(200)
    expect((await ask<Generation>(sandbox, `/v1/generations/${slow.id}`)).status).toBe('running')
    await sandbox.kill('SIGKILL')

    const real = await startReal()
    expect(await ask(real, `/v1/generations/${play.id}`)).toMatchObject({ status: 'succeeded', sandbox: true })
    expect(await moneyOf(real)).toEqual({ spend: '0', count: 0, used: '0' })
  })
})
