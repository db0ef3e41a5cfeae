import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { relayEntry, startOddVendor } from '../support/odd-relay.ts'
import { emptyDatabase, POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { startProcess } from './process.ts'
import type { ServerProcess } from './process.ts'

useRealSockets()

const ROOT = resolve(import.meta.dirname, '../..')
const IMAGE = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } })
  .jpeg()
  .toBuffer()

async function post({ url }: ServerProcess, prompt: string): Promise<Generation> {
  const headers = { 'content-type': 'application/json', prefer: 'respond-async' }
  const body = JSON.stringify({ model: 'flux-2-pro', prompt, width: 1024, height: 1024 })
  return (await (await fetch(`${url}/v1/generations`, { method: 'POST', headers, body })).json()) as Generation
}

const statusOf = async ({ url }: ServerProcess, { id }: Generation): Promise<string> =>
  ((await (await fetch(`${url}/v1/generations/${id}`)).json()) as Generation).status

test.skipIf(POSTGRES_PROGRAMS === null)(
  'a move is repeated until a gateway has worked with what it brought: from then on it is refused, and nothing is bought a second time',
  async () => {
    const ordered: string[] = []
    let goOn = () => {}
    const held = new Promise<void>((done) => (goOn = done))
    const vendor = await startOddVendor(async (sent) => {
      const { prompt } = JSON.parse(sent) as { readonly prompt: string }
      ordered.push(prompt)
      if (prompt === 'first') await held
      return { body: { data: [{ b64_json: IMAGE.toString('base64') }] } }
    })
    onTestFinished(() => goOn())
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-moved-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const url = await emptyDatabase()
    const started = async (name: string, store: string): Promise<ServerProcess> => {
      const file = join(folder, `${name}.yaml`)
      writeFileSync(file, `${store}providers:\n${relayEntry('relay', vendor, '0.02', ', max_in_flight: 1')}`)
      const server = await startProcess({ IMAGEGATE_CONFIG: file, IMAGEGATE_DATA: join(folder, 'data') })
      onTestFinished(async () => void (await server.kill('SIGKILL')))
      return server
    }
    const migrate = () =>
      spawnSync(
        process.execPath,
        [join(ROOT, 'bin/imagegate.mjs'), 'migrate', '--from', `file:${join(folder, 'data', 'imagegate.db')}`, '--to', url],
        { cwd: ROOT, env: BARE_ENVIRONMENT, encoding: 'utf8' },
      )

    const before = await started('file', '')
    await post(before, 'first')
    await expect.poll(() => ordered).toEqual(['first'])
    const waiting = await post(before, 'second')
    await before.kill('SIGKILL')
    for (const time of ['once', 'again']) expect([time, migrate().status]).toEqual([time, 0])
    const after = await started('server', `store: { url: "${url}" }\n`)
    await expect.poll(() => statusOf(after, waiting), { timeout: 20_000 }).toBe('succeeded')
    expect(ordered).toEqual(['first', 'second'])
    await after.kill('SIGTERM')

    const { status, stderr } = migrate()
    const last = await started('server', `store: { url: "${url}" }\n`)
    await expect.poll(() => statusOf(last, waiting), { timeout: 20_000 }).toBe('succeeded')
    expect(ordered).toEqual(['first', 'second'])
    expect([status, stderr]).toEqual([1, expect.stringContaining('a gateway has worked with it since')])
  },
  90_000,
)
