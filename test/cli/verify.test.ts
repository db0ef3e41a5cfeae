import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { ModelEntry } from '#contract'
import { SANDBOX_KEY } from '#sandbox'
import { runCommandLine } from '../../src/cli/command-line.ts'
import type { Verified } from '../../src/gateway/verify-provider.ts'
import { readCase, replyOf } from '../support/case-files.ts'
import { changedVendor, type ChangedVendor } from '../support/changed-vendor.ts'
import { loadEmulator, loadProviders } from '../support/installed-providers.ts'
import { playCase } from '../support/play-case.ts'
import { ROOT } from '../support/source-tree.ts'
import { fakeTerminal } from './fake-gateway.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

const providers = await loadProviders()

async function vendorOf(id: string, typicalMs = 10) {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-verify-'))
  const emulator = await (await loadEmulator(id))({ typicalMs })
  onTestFinished(async () => {
    await emulator.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const vendor = await changedVendor(emulator.url)
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(config, `providers: { ${id}: { api_key: ${SANDBOX_KEY}, base_url: "${vendor.url}" } }\nnetwork: { allow: [127.0.0.1] }\n`)
  const env = { IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'data') }
  return { vendor, emulator, folder, env }
}

async function verify(env: Record<string, string>, ...args: readonly string[]): Promise<Verified & { readonly status: number }> {
  const terminal = fakeTerminal(env)
  const status = await runCommandLine(['verify', ...args, '--json'], terminal)
  const printed = JSON.parse(terminal.stdout()) as Verified
  expect(printed, terminal.stdout()).toHaveProperty('findings')
  return { ...printed, status }
}
const of = ({ findings }: Verified, about: string, verdict: string) =>
  findings.filter((finding) => finding.about === about && finding.verdict === verdict).map(({ detail }) => detail)

/** What is not sold any more, or whose quote nobody can know, is not bought to see. */
const isQuotedToday = ({ price, retires_on: end }: ModelEntry): boolean =>
  price !== null &&
  !(price.kind === 'token' && price.output_tokens === null) &&
  (end === undefined || end > new Date().toISOString().slice(0, 10))

test.each(providers.map(({ id }) => id))(
  'verify agrees with the emulator of %s, records what the exam accepts, and leaves the key nowhere',
  async (id) => {
    const { folder, env } = await vendorOf(id)
    const out = join(folder, 'recorded')
    const verified = await verify(env, id, '--max-usd', '5', '--record', out)
    expect(verified.findings.filter(({ verdict }) => verdict === 'new' || verdict === 'contradicts')).toEqual([])
    const isPriced = Object.values(providers.find((each) => each.id === id)?.manifest.models ?? {}).some(isQuotedToday)
    expect(verified.findings.some(({ verdict }) => verdict === 'agrees')).toBe(isPriced)
    expect(verified.status).toBe(isPriced ? 0 : 1)
    expect(Number(verified.spent_usd)).toBeLessThan(5)
    const provider = providers.find((each) => each.id === id)
    for (const file of verified.recorded) {
      const story = readCase(id, /([^/]+)\.json$/.exec(file)?.[1] ?? '', out)
      if (!provider) throw new Error(id)
      const played = await playCase(story, provider, providers, async (call, step) => {
        const reply = story.steps[step]?.reply
        return reply === undefined ? null : replyOf(reply, new URL(call.url, provider.manifest.base_url).href)
      })
      expect(played.outcome, file).toEqual(story.outcome)
      expect(readFileSync(file, 'utf8')).not.toContain(SANDBOX_KEY)
    }
    expect(existsSync(join(out, id, 'cases', 'verified-wrong-key.json'))).toBe(isPriced && id !== 'replicate')
  },
  90_000,
)

test('verify names a new status, a new field, another price and a schema that was closed, each at its model', async () => {
  const { vendor, env } = await vendorOf('bfl')
  vendor.change = changesOfBfl()
  const verified = await verify(env, 'bfl', '--max-usd', '1', '--model', 'flux-2-pro', '--model', 'flux-2-flex', '--model', 'flux-2-max')
  expect(verified.status).toBe(1)
  expect(of(verified, 'flux-2-pro', 'new')).toEqual([
    expect.stringContaining('a status that is not known'),
    'a field that no recorded case has: /watermark',
  ])
  expect(of(verified, 'flux-2-flex', 'contradicts')).toEqual([expect.stringMatching(/^billed 0.4, quoted 0\.05$/)])
  expect(of(verified, 'flux-2-max', 'contradicts')).toEqual([expect.stringMatching(/^provider_rejected: .*HTTP 422/)])
  expect(of(verified, 'refusal', 'agrees')).toHaveLength(1)
  expect(of(verified, 'balance', 'agrees')).toHaveLength(1)
}, 60_000)

function changesOfBfl(): ChangedVendor['change'] {
  let polls = 0
  const dearer = new Set<unknown>()
  return ({ method, path, body }) => {
    if (path.endsWith('/flux-2-pro') && body['id'] !== undefined) body['watermark'] = { applied: true }
    if (path.endsWith('/flux-2-flex') && body['id'] !== undefined) dearer.add(body['id'])
    if (dearer.has(body['id'])) body['cost'] = 40
    if (path.endsWith('/flux-2-max'))
      return { status: 422, body: { detail: [{ loc: ['body', 'width'], msg: 'Extra inputs are not permitted', type: 'extra_forbidden' }] } }
    if (method === 'GET' && path.endsWith('/get_result') && polls++ === 0)
      return { status: 200, body: { id: body['id'], status: 'Dreaming', result: null } }
    return undefined
  }
}

test('verify never spends more than said: what its quote would go beyond is skipped, and an unknown outcome counts whole', async () => {
  const { vendor, emulator, env } = await vendorOf('bfl')
  const models = ['--model', 'flux-2-pro', '--model', 'flux-2-klein-4b', '--model', 'flux-2-flex']
  const verified = await verify(env, 'bfl', '--max-usd', '0.045', ...models)
  expect(of(verified, 'flux-2-flex', 'skipped')).toEqual([expect.stringMatching(/0\.05, and .*0\.015/)])
  expect(Number(verified.spent_usd)).toBeLessThanOrEqual(0.045)
  const bought = emulator.submits()
  // The wrong key is refused as it is.
  vendor.change = ({ path, body }) => (path.endsWith('/flux-2-pro') && body['id'] !== undefined ? { status: 502, body: {} } : undefined)
  const lost = await verify(env, 'bfl', '--max-usd', '0.04', ...models)
  expect(of(lost, 'flux-2-pro', 'contradicts')).toEqual([expect.stringContaining('HTTP 502')])
  expect(lost.spent_usd).toBe('0.03')
  expect(of(lost, 'flux-2-klein-4b', 'skipped')).toEqual([expect.stringMatching(/0\.014, and .*0\.01 /)])
  expect(emulator.submits()).toBe(bought + 1)
  expect(await verifyError({ ...env, IMAGEGATE_CONFIG: '/dev/null' })).toContain('set BFL_API_KEY')
}, 60_000)

async function verifyError(env: Record<string, string>): Promise<string> {
  const terminal = fakeTerminal(env)
  expect(await runCommandLine(['verify', 'bfl'], terminal)).toBe(1)
  return terminal.stderr()
}

test('a recording has the key in no spelling, where a vendor repeats it in its replies', async () => {
  const { vendor, env, folder } = await vendorOf('bfl')
  const spellings = [SANDBOX_KEY, SANDBOX_KEY.replace('-', '%2D'), SANDBOX_KEY.replace('a', '\\u0061'), SANDBOX_KEY.replace('-', '&#45;')]
  vendor.change = ({ body }) => void (body['echo'] = { texts: spellings, [SANDBOX_KEY]: `x-key: ${SANDBOX_KEY}` })
  const out = join(folder, 'recorded')
  const { recorded, findings } = await verify(env, 'bfl', '--model', 'flux-2-pro', '--record', out)
  expect(recorded).toHaveLength(2)
  for (const text of [...recorded.map((file) => readFileSync(file, 'utf8')), JSON.stringify(findings)])
    for (const spelling of spellings) expect(text).not.toContain(JSON.stringify(spelling).slice(1, -1))
}, 60_000)

test('a verify that was killed over a paid task ends it at the next one, says so, and buys nothing twice: printed commands', async () => {
  const { emulator, env, folder } = await vendorOf('bfl', 3_000)
  const start = () =>
    spawn(process.execPath, ['src/cli/imagegate.ts', 'verify', 'bfl', '--model', 'flux-2-pro', '--max-usd', '0.10'], {
      cwd: ROOT,
      env: { ...BARE_ENVIRONMENT, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  const killed = start()
  while (emulator.submits() === 0) await pause(20)
  await pause(200)
  killed.kill('SIGKILL')
  const next = start()
  let out = ''
  next.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  const status = await new Promise((resolve) => void next.on('close', resolve))
  expect(out).toMatch(/new\s+flux-2-pro of an earlier run\s+gen_\w+ was left open and has succeeded; cost 0.03/)
  expect(out).toMatch(/agrees\s+flux-2-pro\s+delivered; billed 0.03, as quoted/)
  expect(out).toMatch(/Spent at most 0.03 of 0.10 US dollars/)
  expect(status).toBe(1)
  expect(emulator.submits()).toBe(2)
  expect(readdirSync(join(folder, 'data'))).toEqual(['verify'])
}, 90_000)

/** An OpenAPI document of BFL's, as far as verify reads it, in which each model was changed in its own way. */
function publishedByBfl() {
  const image = Object.fromEntries(
    ['', '_2', '_3', '_4', '_5', '_6', '_7', '_8'].map((number) => [`input_image${number}`, { type: 'string' }]),
  )
  const side = { anyOf: [{ type: 'integer', minimum: 64 }, { type: 'null' }], default: 0 }
  const properties = {
    prompt: { type: 'string' },
    ...image,
    seed: { type: 'integer' },
    width: side,
    height: side,
    disable_pup: { type: 'boolean' },
    safety_tolerance: { type: 'integer', minimum: 0, maximum: 5, default: 2 },
    output_format: { enum: ['jpeg', 'png', 'webp'] },
    webhook_url: { type: 'string' },
    webhook_secret: { type: 'string' },
    transparent_bg: { type: 'boolean' },
  }
  const { seed: _, ...closed } = properties
  const post = (schema: object) => ({ post: { requestBody: { content: { 'application/json': { schema } } } } })
  return {
    openapi: '3.1.0',
    paths: {
      '/v1/flux-2-pro': post({ properties, required: ['prompt'] }),
      '/v1/flux-2-max': post({
        properties: { ...closed, style: { type: 'string' }, project: { type: 'string' } },
        required: ['project'],
        additionalProperties: false,
      }),
      '/v1/flux-2-flex': post({
        properties: {
          ...properties,
          prompt_upsampling: {},
          guidance: { type: 'number', minimum: 2, maximum: 8, default: 4 },
          steps: { type: 'integer', minimum: 1, maximum: 50, default: 50 },
          output_format: { enum: ['png'] },
        },
      }),
    },
  }
}

test('verify reads the published schema and the vendor’s estimate, and names each difference at its model: fields, bounds, words, paths, amounts', async () => {
  const { vendor, env } = await vendorOf('bfl')
  vendor.change = ({ path }) => {
    if (path.endsWith('/openapi.json')) return { status: 200, body: publishedByBfl() }
    return path.endsWith('/pricing') ? { status: 200, body: { cost: 3, cost_usd: 0.03 } } : undefined
  }
  const models = ['flux-2-pro', 'flux-2-max', 'flux-2-flex', 'flux-2-klein-4b'].flatMap((model) => ['--model', model])
  const verified = await verify(env, 'bfl', '--max-usd', '1', ...models)
  expect(verified.findings.filter(({ about }) => about === 'flux-2-pro, schema')).toEqual([
    { verdict: 'agrees', about: 'flux-2-pro, schema', detail: 'the published schema takes all that would be sent' },
  ])
  expect(of(verified, 'flux-2-pro, estimate', 'agrees')).toEqual(['the vendor estimates 0.03, as quoted'])
  expect(of(verified, 'flux-2-max, schema', 'contradicts')).toEqual([
    'the published schema has no field /seed, which is sent',
    'the published schema requires /project, which is not sent',
  ])
  expect(of(verified, 'flux-2-max, estimate', 'contradicts')).toEqual(['the vendor estimates 0.03, and 0.07 is quoted'])
  expect(of(verified, 'flux-2-max, schema', 'new')).toEqual([
    'a field of the published schema that is not known here: /style',
    'a field of the published schema that is not known here: /project',
  ])
  expect(of(verified, 'flux-2-flex, schema', 'contradicts')).toEqual([
    'limits.guidance.min: 2 published, 1.5 here',
    'limits.guidance.max: 8 published, 10 here',
    'limits.guidance.default: 4 published, 5 here',
    'limits.output_format: the published schema has no "jpeg"',
    'limits.output_format: the published schema has no "webp"',
  ])
  expect(of(verified, 'flux-2-klein-4b, schema', 'contradicts')).toEqual(['the published schema has no POST /v1/flux-2-klein-4b'])
  expect(verified.status).toBe(1)
}, 60_000)
