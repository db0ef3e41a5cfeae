import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Comparison, Generation } from '#contract'
import { launchGateway } from '../e2e/gateway.ts'
import type { Gateway } from '../e2e/gateway.ts'
import { ROOT } from '../support/source-tree.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

let gateway: Gateway
let folder: string
beforeAll(async () => {
  gateway = await launchGateway()
  folder = mkdtempSync(join(tmpdir(), 'imagegate-interrupted-'))
})
afterAll(async () => {
  await gateway.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Ended {
  readonly status: number | null
  readonly out: string
  readonly err: string
}

/** A real command; Ctrl-C is sent where its standard error, or a listing of the gateway, shows that the request was accepted. */
async function command(args: readonly string[], interruptAt?: (err: string) => boolean | Promise<boolean>): Promise<Ended> {
  const program = join(ROOT, 'bin/imagegate.mjs')
  const env = { ...BARE_ENVIRONMENT, IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: '', PORT: '0' }
  const child = spawn(process.execPath, [program, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const ended = new Promise<Ended>((resolve) => child.once('exit', (status) => resolve({ status, out, err })))
  if (interruptAt) {
    await expect.poll(() => interruptAt(err), { timeout: 30_000, interval: 25 }).toBe(true)
    child.kill('SIGINT')
  }
  return ended
}
/** What a shell's `program … | reader` shows, with the status of both. */
function piped(args: string, reader: string): Promise<Ended> {
  const script = `set -o pipefail; "${process.execPath}" "${join(ROOT, 'bin/imagegate.mjs')}" ${args} | ${reader}; echo "\${PIPESTATUS[*]}"`
  const env = { ...BARE_ENVIRONMENT, IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: '', PORT: '0' }
  const child = spawn('bash', ['-c', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, out, err })))
}

const isAccepted = (err: string): boolean => err.includes(' accepted')
const parsed = (text: string): Generation => JSON.parse(text) as Generation
const newest = async (): Promise<Generation | undefined> =>
  ((await (await gateway.ask('/v1/generations?limit=1')).json()) as { data: readonly Generation[] }).data[0]

describe('Ctrl-C', { timeout: 60_000 }, () => {
  test('ends `generate` with 130 and says how to go on; the generation goes on at the gateway, bought once, and its images can be fetched', async () => {
    const ended = await command(
      ['generate', 'sandbox:slow hills', '--model', 'flux-2-pro', '--url', gateway.url, '--out', 'my images'],
      isAccepted,
    )
    const [id = ''] = /gen_\w+/.exec(ended.err) ?? []
    expect([ended.status, ended.out]).toEqual([130, ''])
    expect(ended.err).toContain(
      `${id} goes on at ${gateway.url}. \`imagegate get ${id} --wait --out 'my images' --url ${gateway.url}\` saves its images, \`imagegate cancel ${id} --url ${gateway.url}\``,
    )
    const later = await command(['get', id, '--wait', '--out', 'later', '--json', '--url', gateway.url])
    expect(parsed(later.out)).toMatchObject({ id, status: 'succeeded', attempts: [{ status: 'succeeded' }] })
    expect(readdirSync(join(folder, 'later'))).toHaveLength(1)
  })

  test('ends `compare` and `get --wait --out` with the commands that save the images where they were to be saved', async () => {
    const compared = await command(
      ['compare', 'sandbox:slow hills', '--model', 'flux-2-pro', '--providers', 'bfl,runware', '--url', gateway.url, '--out', 'side'],
      isAccepted,
    )
    const { data } = (await (await gateway.ask('/v1/comparisons?limit=1')).json()) as { data: readonly Comparison[] }
    const ids = data[0]?.generations.map(({ id }) => id) ?? []
    expect([compared.status, ids.length]).toEqual([130, 2])
    for (const id of ids) expect(compared.err).toContain(`imagegate get ${id} --wait --out side --url ${gateway.url}`)
    const { id } = await gateway.generate({ prompt: 'sandbox:never x' }, { prefer: 'respond-async' })
    let begun = 0
    const args = ['get', id, '--wait', '--out', 'got', '--url', gateway.url]
    // It says nothing while it waits; its folder is there once it has begun.
    const waiting = await command(args, () => readdirSync(folder).includes('got') && ++begun > 20)
    expect([waiting.status, waiting.err]).toEqual([130, `${id} goes on: \`imagegate ${args.join(' ')}\` waits again.\n`])
    await gateway.ask(`/v1/generations/${id}/cancel`, { method: 'POST' })
  })

  test('with --json prints what was accepted, so that no id is lost', async () => {
    const before = (await newest())?.id
    const args = ['generate', 'sandbox:slow dunes', '--model', 'flux-2-pro', '--json', '--url', gateway.url]
    const { status, out, err } = await command(args, async () => (await newest())?.id !== before)
    expect([status, err]).toEqual([130, ''])
    expect(parsed(out)).toMatchObject({ id: (await newest())?.id, object: 'generation', saved: [] })
  })

  test('closes a gateway inside the command; the generation goes on with the next one, bought once', async () => {
    const ended = await command(['generate', 'woods', '--model', 'flux-2-pro'], isAccepted)
    const [id = ''] = /gen_\w+/.exec(ended.err) ?? []
    expect([ended.status, ended.out]).toEqual([130, ''])
    expect(ended.err).toContain(`${id} goes on when a gateway starts on the same data folder.`)
    expect(parsed((await command(['get', id, '--wait', '--json'])).out)).toMatchObject({
      status: 'succeeded',
      attempts: [{ status: 'succeeded' }],
    })
  })
})

test(
  'a reader that has read enough, as `head` does, ends no verb: what was bought is saved, and nothing is said on standard error',
  { timeout: 60_000 },
  async () => {
    const help = await piped('--help', 'true')
    expect([help.out, help.err]).toEqual(['0 0\n', ''])
    const bought = await piped(`generate hills --model flux-2-pro --out read --url ${gateway.url}`, 'true')
    expect(bought.out).toBe('0 0\n')
    expect(readdirSync(join(folder, 'read'))).toHaveLength(1)
  },
)

test('a full disk behind the output ends no verb: what was bought is saved, one sentence says what is missing, and the status is 1', async () => {
  const { out, err } = await piped(`generate dunes --model flux-2-pro --out full --url ${gateway.url} > /dev/full`, 'true')
  expect(out).toBe('1 0\n')
  expect(err).toMatch(/imagegate: the output cannot be written: ENOSPC: .+ What was done is done; `imagegate list` shows it\.\n/)
  expect(err).not.toMatch(/^\s+at /m)
  expect(readdirSync(join(folder, 'full'))).toHaveLength(1)
}, 60_000)
