import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { writeAt } from '#contract'
import { SANDBOX_KEY } from '#sandbox'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { changedVendor, type ChangedVendor } from '../support/changed-vendor.ts'
import { loadEmulator } from '../support/installed-providers.ts'
import { ROOT } from '../support/source-tree.ts'
import { fakeTerminal } from './fake-gateway.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

interface Row {
  readonly provider: string
  readonly model: string
  readonly verdict: string
  readonly detail: string
}

/** An emulator behind a server that can change its answers, and a configuration that names it. */
async function vendorOf(id: string): Promise<{ readonly vendor: ChangedVendor; readonly config: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-prices-'))
  const emulator = await (await loadEmulator(id))({ typicalMs: 10 })
  onTestFinished(async () => {
    await emulator.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const vendor = await changedVendor(emulator.url)
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(config, `providers: { ${id}: { api_key: ${SANDBOX_KEY}, base_url: "${vendor.url}" } }`)
  return { vendor, config }
}

async function check(config: string, ...args: readonly string[]) {
  const terminal = fakeTerminal({ IMAGEGATE_CONFIG: config })
  const status = await runCommandLine(['prices', 'check', ...args], terminal)
  return { status, out: terminal.stdout(), err: terminal.stderr() }
}

async function rows(config: string, ...args: readonly string[]): Promise<{ readonly status: number; readonly rows: readonly Row[] }> {
  const { status, out } = await check(config, '--json', ...args)
  return { status, rows: JSON.parse(out) as readonly Row[] }
}

test('prices check reads the list of each offer with the provider’s key, buys nothing, and says which agree: a printed command', async () => {
  const { vendor, config } = await vendorOf('openrouter')
  const ran = await new Promise<{ status: unknown; out: string }>((resolve) =>
    execFile(
      process.execPath,
      ['src/cli/imagegate.ts', 'prices', 'check', '--provider', 'openrouter', '--model', 'flux-2-pro'],
      { cwd: ROOT, env: { ...BARE_ENVIRONMENT, IMAGEGATE_CONFIG: config } },
      (error, out) => resolve({ status: error?.code ?? 0, out }),
    ),
  )
  expect(ran.out).toMatch(
    /agrees\s+flux-2-pro\s+openrouter\s+output_image by the megapixel: 0.03, as here; input_image .* 0.015, as here\s+2026-/,
  )
  expect(ran.status).toBe(0)
  expect(vendor.heard).toEqual(['GET /api/v1/images/models/black-forest-labs/flux.2-pro/endpoints'])
}, 40_000)

test('prices check names a price that changed, a unit that is new, a price that is new, a model that vanished and a list that is refused', async () => {
  const { vendor, config } = await vendorOf('openrouter')
  vendor.change = ({ path, body }) => {
    if (path.includes('flux.2-pro')) writeAt(body, '/endpoints/0/pricing/0/cost_usd', 0.031)
    if (path.includes('flux.2-flex')) writeAt(body, '/endpoints/0/pricing/2', { billable: 'output_image', unit: 'second', cost_usd: 0.01 })
    if (path.includes('flux.2-max')) return { status: 404, body: { error: { code: 404, message: 'Model not found' } } }
    if (path.includes('klein')) return { status: 503, body: {} }
    return undefined
  }
  const { status, rows: found } = await rows(config, '--provider', 'openrouter')
  expect(status).toBe(1)
  const of = (name: string) => found.find(({ model }) => model === name)
  expect(of('flux-2-pro')).toMatchObject({ verdict: 'drift', detail: expect.stringContaining('0.031 there, 0.03 or 0.015 here') })
  expect(of('flux-2-flex')).toMatchObject({
    verdict: 'new_unit',
    detail: expect.stringContaining('output_image by the second: a new unit, 0.01'),
  })
  expect(of('flux-2-max')).toMatchObject({ verdict: 'vanished' })
  expect(of('flux-2-klein-4b')).toMatchObject({ verdict: 'not_read', detail: 'not read: it was answered HTTP 503' })
  expect(of('gpt-image-2')).toMatchObject({ verdict: 'unpriced_here', detail: expect.stringContaining('30 there, no price here') })
  expect(of('flux-3-image')).toMatchObject({ verdict: 'agrees' })
  expect(of('gemini-nano-banana-2.1')).toMatchObject({ verdict: 'agrees' })
}, 60_000)

test('prices check asks fal for each endpoint, and a provider without a key is said and not asked', async () => {
  const { vendor, config } = await vendorOf('fal')
  const { rows: found } = await rows(config, '--provider', 'fal')
  const verdicts = Object.fromEntries(found.map(({ model, verdict }) => [model, verdict]))
  expect(verdicts).toMatchObject({
    'flux-2-pro': 'agrees',
    'flux-2-klein-9b': 'agrees',
    'flux-3-image': 'not_comparable',
    'flux-kontext-max': 'agrees',
    'flux-1.1-pro': 'unpriced_here',
  })
  expect(vendor.heard).toContain('GET /v1/models/pricing?endpoint_id=blackforestlabs/flux-3/text-to-image')
  expect(vendor.heard.every((line) => line.startsWith('GET '))).toBe(true)
  const folder = join(config, '..')
  writeFileSync(join(folder, 'other.yaml'), 'providers: { bfl: { api_key: none-of-fal } }')
  const refused = await check(join(folder, 'other.yaml'), '--provider', 'fal', '--model', 'flux-2-pro')
  expect(refused).toMatchObject({
    status: 1,
    out: expect.stringContaining('set FAL_KEY'),
    err: expect.stringContaining('Nothing was compared'),
  })
  expect(await check(config, '--provider', 'runware')).toMatchObject({
    status: 1,
    err: expect.stringContaining('there are: bfl, fal, openrouter, wavespeed'),
  })
}, 60_000)

test('prices check asks vendors without a list what one image would cost, buys nothing, and names what moved, is new or is not said', async () => {
  const { vendor, config } = await vendorOf('wavespeed')
  const ask = async () => Object.fromEntries((await rows(config, '--provider', 'wavespeed')).rows.map((row) => [row.model, row]))
  expect(await ask()).toMatchObject({
    'flux-2-flex': { verdict: 'agrees', detail: 'one image of a megapixel: 0.06, as here' },
    'flux-2-pro': { verdict: 'unpriced_here' },
  })
  const dearer = { 'flux-2-flex': 0.08, 'flux-2-max': null }
  vendor.change = ({ body }) => {
    const id = (body as { data?: { model_id?: string } }).data?.model_id ?? ''
    for (const [model, amount] of Object.entries(dearer)) if (id.includes(model)) writeAt(body, '/data/unit_price', amount)
  }
  expect(await ask()).toMatchObject({
    'flux-2-flex': { verdict: 'drift', detail: 'one image of a megapixel: 0.08 there, 0.06 here' },
    'flux-2-max': { verdict: 'not_read', detail: 'not read: its answer (HTTP 200) has no amount' },
    'flux-2-dev': { verdict: 'agrees' },
  })
  expect(new Set(vendor.heard)).toEqual(new Set(['POST /api/v3/model/pricing']))
}, 60_000)

test('prices check asks BFL for FLUX.2; of its other models the answer has no amount, and that is said; what moved is named', async () => {
  const { vendor, config } = await vendorOf('bfl')
  const ask = async () => Object.fromEntries((await rows(config, '--provider', 'bfl')).rows.map((row) => [row.model, row]))
  const noAmount = { verdict: 'not_read', detail: 'not read: its answer (HTTP 404) has no amount' }
  const agrees = (amount: string) => ({ verdict: 'agrees', detail: `one image of a megapixel: ${amount}, as here` })
  const found = await ask()
  expect(found).toMatchObject({
    'flux-2-pro': agrees('0.03'),
    'flux-2-flex': agrees('0.05'),
    'flux-2-max': agrees('0.07'),
    'flux-2-klein-4b': agrees('0.014'),
    'flux-2-klein-9b': agrees('0.015'),
    'flux-1.1-pro': noAmount,
    'flux-kontext-pro': noAmount,
  })
  vendor.change = ({ path, body }) => (path.endsWith('/pricing') && 'cost_usd' in body ? writeAt(body, '/cost_usd', 0.06) : undefined)
  expect((await ask())['flux-2-flex']).toMatchObject({
    verdict: 'drift',
    detail: 'one image of a megapixel: 0.06 there, 0.05 here',
  })
  expect(new Set(vendor.heard)).toEqual(new Set(['POST /v1/pricing']))
}, 60_000)

test('prices check says of a public list that is no JSON, unpacks to too much or breaks off that it was not read', async () => {
  const bodies = [
    { body: Buffer.from('<html>\u001b[2J'), headers: {}, reason: 'it is no JSON' },
    { body: gzipSync(Buffer.alloc(50_000_000, ' ')), headers: { 'content-encoding': 'gzip' }, reason: 'larger than 4194304 bytes' },
    { body: Buffer.from('{"data":['), headers: { 'content-length': '100' }, reason: 'closed' },
  ]
  let asked = 0
  const server = createServer((_request, response) => {
    const { body = '', headers = {} } = bodies[asked++ % bodies.length] ?? {}
    response.writeHead(200, headers).write(body)
    if ('content-length' in headers) setTimeout(() => response.destroy(), 100)
    else response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-prices-'))
  onTestFinished(() => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(config, `providers: { openrouter: { base_url: "http://127.0.0.1:${port}" } }\nnetwork: { allow: ["127.0.0.1:${port}"] }`)
  for (const { reason } of bodies) {
    const { status, rows: found } = await rows(config, '--provider', 'openrouter', '--model', 'flux-2-pro')
    expect([status, found]).toMatchObject([1, [{ verdict: 'not_read', detail: expect.stringContaining(reason) }]])
  }
}, 40_000)
