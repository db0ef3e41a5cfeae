import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { ConfigurationState, PriceEntry } from '#contract'
import type { Span } from '../support/spans-to-file.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { launchProcess } from './gateway-process.ts'
import type { GatewayProcess } from './gateway-process.ts'

/** What an operator sees of a process: its metrics, its reloads, its traces, and what its keys keep when they get other names. */
useRealSockets()

const ROOT = resolve(import.meta.dirname, '../..')
const SECRETS = { alpha: 'the-secret-of-key-alpha', beta: 'the-secret-of-key-beta', boss: 'the-secret-of-key-boss' }
const hash = (secret: string) => createHash('sha256').update(secret).digest('hex')
const keys = (alpha: string, beta: string) => `keys:
  - { name: ${alpha}, key_hash: ${hash(SECRETS.alpha)}, budget_usd: "1", period: total }
  - { name: ${beta}, key_hash: ${hash(SECRETS.beta)}, budget_usd: "2", period: total }
  - { name: boss, key_hash: ${hash(SECRETS.boss)}, scope: admin }
`
const LIMIT = 'providers: { bfl: { max_in_flight: 1 } }\n'
const PRICE = 'providers: { bfl: { max_in_flight: 1 }, vtrix: { prices: { flux-2-pro: { per_image: "0.028", as_of: "2026-11-01" } } } }\n'
const asAlpha = { authorization: `Bearer ${SECRETS.alpha}` }
const asBeta = { authorization: `Bearer ${SECRETS.beta}` }
/** Who sees every key's money. */
const asBoss = { authorization: `Bearer ${SECRETS.boss}` }
/** Far longer than a quiet machine needs. */
const SOON = { timeout: 20_000 }
const SMALL = { model: 'bfl/flux-2-pro', width: 256, height: 256 }

const folder = mkdtempSync(join(tmpdir(), 'imagegate-watched-'))
const spansFile = join(folder, 'spans')
const started = (config: string) =>
  launchProcess({
    config,
    dataDirectory: join(folder, 'data'),
    env: { NODE_OPTIONS: `--import ${join(ROOT, 'test/support/spans-to-file.ts')}`, SPANS_FILE: spansFile },
  })

let gateway: GatewayProcess
beforeAll(async () => {
  writeFileSync(spansFile, '')
  gateway = await started(keys('alpha', 'beta') + LIMIT)
}, 120_000)
afterAll(async () => {
  await gateway.close()
  rmSync(folder, { recursive: true, force: true })
})

const get = async <T>(path: string, headers = asAlpha): Promise<T> => (await (await gateway.ask(path, { headers })).json()) as T
const state = async () => (await get<{ readonly configuration: ConfigurationState }>('/v1/providers', asBoss)).configuration
const scrape = async () => (await gateway.ask('/metrics', { headers: asBoss })).text()
const value = (text: string, series: string) =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${series} `))
    ?.slice(series.length + 1)
const kindsIn = (text: string) =>
  [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)].map(([, name = '', kind = '']) => ({ name, kind, series: seriesOf(text, name) }))
const seriesOf = (text: string, name: string) =>
  text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}
interface Dashboard {
  readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[]
}
const deployed = (file: string) => readFileSync(join(ROOT, 'deploy', file), 'utf8')
const expressions = () => [
  ...(parse(deployed('prometheus/alerts.yaml')) as Rules).groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
  ...(JSON.parse(deployed('grafana/imagegate.json')) as Dashboard).panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
]

describe('/metrics of a process', { timeout: 60_000 }, () => {
  let first = ''
  test('has every counter from the start, at zero, its build, and its configuration in force', async () => {
    first = await scrape()
    const counters = kindsIn(first).filter(({ kind, name }) => kind === 'counter' && name.startsWith('imagegate_'))
    expect(counters.length).toBeGreaterThan(9)
    for (const { name, series } of counters) {
      expect(series, name).not.toEqual([])
      expect(series.filter((line) => !line.endsWith(' 0'))).toEqual([])
    }
    expect(first).toMatch(/^imagegate_build_info\{version="\d+\.\d+\.\d+",node="v\d+[^"]*",sandbox="true"\} 1$/m)
    expect(value(first, 'imagegate_config_last_reload_successful')).toBe('1')
    expect(value(first, 'imagegate_budget_left_usd{key="alpha"}')).toBe('1')
    expect(value(first, 'imagegate_budget_limit_usd{key="beta"}')).toBe('2')
    expect(value(first, 'imagegate_provider_slots{provider="bfl",state="limit"}')).toBe('1')
    expect(value(first, 'imagegate_open_generations')).toBe('0')
  })

  test('has from the start each metric, label and value that the dashboard and the alert rules read', () => {
    // `up` is Prometheus' own.
    const asked = expressions().flatMap((expr) => [...expr.matchAll(/\b((?:imagegate|nodejs|process)_[a-z0-9_]+)(?:\{([^}]*)\})?/g)])
    expect(asked.length).toBeGreaterThan(40)
    for (const [, name = '', filter = ''] of asked) {
      const series = seriesOf(first, name)
      // A histogram has no series before its first value; its kind is announced.
      if (name.endsWith('_bucket')) expect(first).toContain(`# TYPE ${name.slice(0, -'_bucket'.length)} histogram`)
      else expect(series, name).not.toEqual([])
      for (const [, label = '', wanted = ''] of filter.matchAll(/(\w+)="([^"]*)"/g))
        if (label !== 'sandbox') expect(series, `${name} ${label}`).toContainEqual(expect.stringContaining(`${label}="${wanted}"`))
    }
  })

  test('names every metric as Prometheus wants it: counters alone end in _total, and promtool finds nothing to correct', ({ skip }) => {
    expect(kindsIn(first).filter(({ name, kind }) => name.endsWith('_total') !== (kind === 'counter'))).toEqual([])
    const promtool = spawnSync('promtool', ['check', 'metrics'], { input: first, encoding: 'utf8' })
    if (promtool.error) return skip('promtool is not installed (apt-get install prometheus)')
    expect([promtool.status, promtool.stdout, promtool.stderr]).toEqual([0, '', ''])
  })

  test('counts in dollars by provider, model and key what was spent and quoted, what is left of the budget, and who waits for a slot', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    const { cost } = await gateway.generate({ ...SMALL, seed: 7 }, { ...asAlpha, traceparent, 'idempotency-key': 'once' })
    const labels = '{provider="bfl",model="flux-2-pro",key="alpha"}'
    const text = await scrape()
    expect(value(text, `imagegate_spend_usd_total${labels}`)).toBe(cost.amount)
    expect(value(text, `imagegate_quoted_usd_total${labels}`)).toBe(cost.quoted)
    expect(Number(value(text, 'imagegate_budget_left_usd{key="alpha"}'))).toBeCloseTo(1 - Number(cost.amount), 9)
    expect(value(text, 'imagegate_http_requests_total{method="POST",route="/v1/generations",status="200"}')).toBe('1')

    const open = await Promise.all(
      Array.from({ length: 2 }, () => gateway.generate({ ...SMALL, prompt: 'sandbox:never' }, { ...asBeta, prefer: 'respond-async' })),
    )
    await expect
      .poll(async () => {
        const now = await scrape()
        const tasks = ['in_flight', 'waiting'].map((is) => value(now, `imagegate_provider_tasks{provider="bfl",state="${is}"}`))
        return [value(now, 'imagegate_open_generations'), ...tasks]
      }, SOON)
      .toEqual(['2', '1', '1'])
    for (const { id } of open) await gateway.post(`/v1/generations/${id}/cancel`, {}, asBeta)
    await expect.poll(async () => value(await scrape(), 'imagegate_open_generations'), SOON).toBe('0')
  })
})

describe('a reload of a process', { timeout: 60_000 }, () => {
  test('that is refused is a metric, with the counter beside it, until one is read that is not', async () => {
    writeFileSync(gateway.configPath, 'no: such key\n')
    await gateway.reload()
    await expect.poll(async () => value(await scrape(), 'imagegate_config_last_reload_successful'), SOON).toBe('0')
    expect(Number(value(await scrape(), 'imagegate_config_reloads_total{result="refused"}'))).toBeGreaterThan(0)
    writeFileSync(gateway.configPath, keys('alpha', 'beta') + LIMIT)
    await gateway.reload()
    await expect.poll(async () => value(await scrape(), 'imagegate_config_last_reload_successful'), SOON).toBe('1')
  })

  test('that changes a price says from what to what, in the log and in /v1/providers, and /v1/prices shows whose price it is', async () => {
    writeFileSync(gateway.configPath, keys('alpha', 'beta') + PRICE)
    await gateway.reload()
    const [added, changed, removed] = ['added: {', '.per_image: "0.028" → "0.03"', 'removed'].map((what) =>
      expect.stringMatching(new RegExp(`^providers\\.vtrix\\.prices\\.flux-2-pro.*${RegExp.escape(what)}`)),
    )
    await expect.poll(async () => (await state()).changes, SOON).toContainEqual(added)
    const price = async () =>
      (await get<{ readonly data: readonly PriceEntry[] }>('/v1/prices')).data.find(
        ({ provider, model }) => provider === 'vtrix' && model === 'flux-2-pro',
      )?.price
    expect(await price()).toMatchObject({ per_image: '0.028', source: 'configuration' })
    writeFileSync(gateway.configPath, keys('alpha', 'beta') + PRICE.replace('0.028', '0.03'))
    await gateway.reload()
    await expect.poll(async () => (await state()).changes, SOON).toContainEqual(changed)
    expect(gateway.said()).toMatch(/"changes":\["providers\.vtrix\.prices\.flux-2-pro\.per_image: \\"0\.028\\" → \\"0\.03\\"/)
    writeFileSync(gateway.configPath, keys('alpha', 'beta') + LIMIT)
    await gateway.reload()
    await expect.poll(async () => (await state()).changes, SOON).toContainEqual(removed)
    expect(await price()).toBeNull()
  })
})

test(
  'an OpenTelemetry SDK that is loaded with NODE_OPTIONS gets a span for a generation and for each attempt, below the caller’s trace, whatever the API',
  { timeout: 60_000 },
  async () => {
    const task = { taskType: 'imageInference', taskUUID: crypto.randomUUID(), model: 'bfl:5@1', positivePrompt: 'a lighthouse' }
    const compatible = { ...asAlpha, traceparent: `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01` }
    expect((await gateway.post('/runware/v1', [{ ...task, width: 256, height: 256 }], compatible)).status).toBe(200)
    const spansOf = (traceId: string) =>
      readFileSync(spansFile, 'utf8')
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Span]))
        .filter((span) => span.traceId === traceId)
    await expect.poll(() => spansOf('c'.repeat(32)).length, SOON).toBe(2)
    const [attempt, whole] = spansOf('a'.repeat(32))
    const { data } = await get<{ readonly data: readonly { readonly id: string; readonly timing: { readonly polls: number } }[] }>(
      '/v1/generations',
    )
    const generation = data.at(-1)
    expect(whole).toMatchObject({
      name: 'generate_content flux-2-pro',
      parentSpanId: 'b'.repeat(16),
      attributes: {
        'gen_ai.operation.name': 'generate_content',
        'gen_ai.output.type': 'image',
        'gen_ai.provider.name': 'bfl',
        'gen_ai.request.model': 'flux-2-pro',
        'gen_ai.request.seed': 7,
        'gen_ai.response.id': generation?.id,
        'imagegate.key': 'alpha',
        'imagegate.sandbox': true,
      },
    })
    expect(attempt).toMatchObject({
      name: 'generate_content flux-2-pro',
      parentSpanId: whole?.spanId,
      attributes: { 'gen_ai.provider.name': 'bfl', 'imagegate.polls': generation?.timing.polls },
      events: ['submitted', 'ready'],
    })
    expect(whole?.ms).toBeGreaterThanOrEqual(attempt?.ms ?? Infinity)
    expect(readFileSync(spansFile, 'utf8')).not.toContain('lighthouse')
  },
)

describe('a key that gets another name', { timeout: 120_000 }, () => {
  test('while the process runs is refused, since what it owns could not follow', async () => {
    writeFileSync(gateway.configPath, keys('gamma', 'beta') + LIMIT)
    await gateway.reload()
    await expect.poll(async () => JSON.stringify((await state()).refused), SOON).toContain('the key alpha is called gamma here')
  })

  test('at a restart keeps its generations, costs, budget and idempotency keys, both at once and each by the name that the other had', async () => {
    await gateway.generate({ ...SMALL, n: 2 }, asBeta)
    const before = { alpha: await owned(asAlpha), beta: await owned(asBeta) }
    await gateway.close()
    gateway = await started(keys('beta', 'alpha') + LIMIT)
    const after = { alpha: await owned(asAlpha), beta: await owned(asBeta) }
    expect(before).toMatchObject({ alpha: { spend: '0.06', key: 'alpha', used: '0.06' }, beta: { key: 'beta', limit: '2' } })
    expect(after).toEqual({ alpha: { ...before.alpha, key: 'beta' }, beta: { ...before.beta, key: 'alpha' } })
    const again = await gateway.generate({ ...SMALL, seed: 7 }, { ...asAlpha, 'idempotency-key': 'once' })
    expect(again.id).toBe(after.alpha.ids.at(-1))
  })

  async function owned(headers: typeof asAlpha) {
    const { data } = await get<{ readonly data: readonly { readonly id: string }[] }>('/v1/generations', headers)
    const { total, budgets } = await get<{
      readonly total: { readonly spend: string }
      readonly budgets: readonly { readonly key: string; readonly used: string; readonly limit: string }[]
    }>('/v1/costs', headers)
    return { ids: data.map(({ id }) => id), spend: total.spend, ...budgets[0] }
  }
})
