import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import type { Comparison, Generation } from '#contract'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { relayEntry, startOddVendor } from '../support/odd-relay.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { startProcess } from './process.ts'
import type { ServerProcess } from './process.ts'

useRealSockets()

const ROOT = resolve(import.meta.dirname, '../..')
const IMAGE = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } })
  .jpeg()
  .toBuffer()

/**
 * Two vendors: Runware works on a task until `isBusy`, and then says that no server took it, which costs nothing; a relay delivers at once.
 */
async function openShop() {
  const shop = { isBusy: false, ordered: [] as string[] }
  const runware = await startOddVendor((sent) => {
    const [{ taskType, taskUUID }] = JSON.parse(sent) as [{ readonly taskType: string; readonly taskUUID: string }]
    if (taskType === 'imageInference') shop.ordered.push('runware')
    if (shop.isBusy) return { body: { errors: [{ code: 'noAvailableServer', message: 'no server is free', taskUUID }] } }
    return { body: { data: [{ taskType, taskUUID, status: 'processing' }] } }
  })
  const relay = await startOddVendor(() => {
    shop.ordered.push('relay')
    return { body: { data: [{ b64_json: IMAGE.toString('base64') }] } }
  })
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-restored-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'imagegate.yaml')
  const entries = `  runware: { api_key: a-key-0123456, base_url: "${runware}" }\n${relayEntry('relay', relay, '0.02')}${relayEntry('other', relay, '0.02')}`
  writeFileSync(file, `providers:\n${entries}`)
  const environment = (data: string) => ({ IMAGEGATE_CONFIG: file, IMAGEGATE_DATA: join(folder, data), PORT: '0' })
  return {
    shop,
    folder,
    database: join(folder, 'data', 'imagegate.db'),
    async start(data: string): Promise<ServerProcess> {
      const server = await startProcess(environment(data))
      onTestFinished(async () => void (await server.kill('SIGKILL')))
      return server
    },
    imagegate: (data: string, ...args: readonly string[]) =>
      promisify(execFile)(process.execPath, [join(ROOT, 'bin/imagegate.mjs'), ...args], {
        cwd: ROOT,
        env: { ...BARE_ENVIRONMENT, ...environment(data) },
      }),
  }
}

async function post<Answer>({ url }: ServerProcess, path: string, body: object): Promise<Answer> {
  const headers = { 'content-type': 'application/json', prefer: 'respond-async' }
  const whole = { model: 'flux-2-pro', prompt: 'a tree', width: 1024, height: 1024, ...body }
  return (await (await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(whole) })).json()) as Answer
}

const read = async <Answer>({ url }: ServerProcess, path: string): Promise<Answer> =>
  (await (await fetch(`${url}${path}`)).json()) as Answer

const isUnderWay = ({ status }: Generation | Comparison): boolean => ['queued', 'running'].includes(status)

async function ended<Answer extends Generation | Comparison>(server: ServerProcess, path: string): Promise<Answer> {
  await expect.poll(async () => isUnderWay(await read<Answer>(server, path)), { timeout: 20_000 }).toBe(false)
  return read<Answer>(server, path)
}

test('a generation that a restored backup shows as open goes to no other provider: the gateway of the backup may have gone there', async () => {
  const { shop, folder, start, imagegate } = await openShop()
  const server = await start('data')
  const provider = { order: ['runware', 'relay'] }
  const { id } = await post<Generation>(server, '/v1/generations', { provider, provider_options: { runware: { deliveryMethod: 'async' } } })
  const path = `/v1/generations/${id}`
  await expect.poll(async () => (await read<Generation>(server, path)).attempts[0]?.status, { timeout: 10_000 }).toBe('pending')
  const backup = join(folder, 'backup')
  await imagegate('data', 'backup', backup, '--url', server.url)
  shop.isBusy = true
  expect(await ended<Generation>(server, path)).toMatchObject({ status: 'succeeded', provider: 'relay' })
  expect(shop.ordered).toEqual(['runware', 'relay'])
  await server.kill('SIGTERM')

  await imagegate('restored', 'restore', backup)
  const after = await ended<Generation>(await start('restored'), path)
  expect(shop.ordered).toEqual(['runware', 'relay'])
  expect(after).toMatchObject({
    status: 'failed',
    error: {
      code: 'provider_unavailable',
      billed: 'unknown',
      retryable: false,
      message: expect.stringContaining('bought since the backup was made'),
    },
  })
}, 60_000)

test('a comparison of a restored backup asks no provider that the backup shows as not asked', async () => {
  const { shop, folder, database, start, imagegate } = await openShop()
  await (await start('data')).kill('SIGTERM')
  const change = (statement: string): void => {
    const opened = new DatabaseSync(database)
    opened.exec(statement)
    opened.close()
  }
  // A gateway that ends, or whose disk is full, between the acceptance and the second of its generations.
  change("CREATE TRIGGER refuse BEFORE INSERT ON generations WHEN NEW.provider = 'other' BEGIN SELECT RAISE(FAIL, 'no'); END")
  const refusing = await start('data')
  const { id } = await post<Comparison>(refusing, '/v1/comparisons', { providers: ['relay', 'other'] })
  const path = `/v1/comparisons/${id}`
  await expect.poll(() => shop.ordered).toEqual(['relay'])
  await refusing.kill('SIGTERM')
  change('DROP TRIGGER refuse')
  const backup = join(folder, 'backup')
  await imagegate('data', 'backup', backup)
  expect((await ended<Comparison>(await start('data'), path)).status).toBe('succeeded')
  expect(shop.ordered).toEqual(['relay', 'relay'])

  await imagegate('restored', 'restore', backup)
  const after = await ended<Comparison>(await start('restored'), path)
  expect(shop.ordered).toEqual(['relay', 'relay'])
  expect(after.summary.map(({ provider, status, reasons }) => [provider, status, reasons])).toEqual([
    ['relay', 'succeeded', []],
    ['other', 'failed', ['The backup was made before this provider was asked; the gateway that was backed up may have asked it since.']],
  ])
}, 60_000)

test('a backup that is renewed has an image whole again that was cut in it, and a restore names one that is not', async () => {
  const { folder, start, imagegate } = await openShop()
  const server = await start('data')
  const { id } = await post<Generation>(server, '/v1/generations', { model: 'relay/flux-2-pro' })
  await ended<Generation>(server, `/v1/generations/${id}`)
  const backup = join(folder, 'backup')
  const renewed = () => imagegate('data', 'backup', backup, '--url', server.url)
  await renewed()
  const images = join(backup, 'images')
  const paths = readdirSync(images, { recursive: true, encoding: 'utf8' }).map((name) => join(images, name))
  const image = paths.find((path) => statSync(path).isFile()) ?? ''
  truncateSync(image, 100)
  await expect(imagegate('cut', 'restore', backup)).rejects.toMatchObject({ stderr: expect.stringContaining(`${image} is damaged`) })
  await renewed()
  await imagegate('whole', 'restore', backup)
}, 60_000)
