import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { launchGateway } from './gateway.ts'

const DEPLOY = join(import.meta.dirname, '../../deploy')
const KEY = 'a-key-for-the-metrics-test'
const keys = `keys: [{ name: team, key_hash: ${createHash('sha256').update(KEY).digest('hex')}, budget_usd: "1", period: total }]\n`
const headers = { authorization: `Bearer ${KEY}` }

let gateway: Awaited<ReturnType<typeof launchGateway>>
beforeAll(async () => {
  gateway = await launchGateway({ config: keys })
})
afterAll(() => gateway.close())

const scrape = async () => (await gateway.ask('/metrics', { headers })).text()
const value = (text: string, series: string) =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${series} `))
    ?.slice(series.length + 1)

describe('/metrics', () => {
  test('counts in dollars what was spent and quoted, and what is left of the budget', async () => {
    const { cost, provider } = await gateway.generate({ width: 256, height: 256 }, headers)
    const labels = `{provider="${provider}",model="flux-2-pro",key="team"}`
    const text = await scrape()
    expect(value(text, `imagegate_spend_usd_total${labels}`)).toBe(cost.amount)
    expect(value(text, `imagegate_quoted_usd_total${labels}`)).toBe(cost.quoted)
    expect(value(text, 'imagegate_budget_limit_usd{key="team"}')).toBe('1')
    expect(Number(value(text, 'imagegate_budget_left_usd{key="team"}'))).toBeCloseTo(1 - Number(cost.amount), 9)
    expect(value(text, 'imagegate_provider_slots{provider="bfl",state="limit"}')).toBe('24')
  })

  test('names every metric as Prometheus wants it: counters alone end in _total, and promtool finds nothing to correct', async ({
    skip,
  }) => {
    const text = await scrape()
    const kinds = [...text.matchAll(/^# TYPE (\S+) (\w+)$/gm)]
    expect(kinds.filter(([, name = '', kind]) => name.endsWith('_total') !== (kind === 'counter')).map(([line]) => line)).toEqual([])
    const promtool = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
    if (promtool.error) return skip('promtool is not installed (apt-get install prometheus)')
    expect([promtool.status, promtool.stdout, promtool.stderr]).toEqual([0, '', ''])
  })

  test('shows a configuration that is refused, until one is read that is not', async () => {
    writeFileSync(gateway.configPath, 'no: such key\n')
    await gateway.reload()
    expect(value(await scrape(), 'imagegate_config_last_reload_successful')).toBe('0')
    writeFileSync(gateway.configPath, keys)
    await gateway.reload()
    const text = await scrape()
    expect(value(text, 'imagegate_config_last_reload_successful')).toBe('1')
    expect(Number(value(text, 'imagegate_config_reloads_total{result="refused"}'))).toBeGreaterThan(0)
  })
})

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string; readonly annotations: object }[] }[]
}
const alerts = (parse(readFileSync(join(DEPLOY, 'prometheus/alerts.yaml'), 'utf8')) as Rules).groups.flatMap(({ rules }) => rules)
const dashboard = JSON.parse(readFileSync(join(DEPLOY, 'grafana/imagegate.json'), 'utf8')) as {
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[]
}

describe('the dashboard and the alert rules', () => {
  const expressions = [
    ...alerts.map(({ expr }) => expr),
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ]

  test('read only metrics, labels and values that a gateway shows from its start', async () => {
    const fresh = await launchGateway({ config: keys })
    const text = await (await fresh.ask('/metrics', { headers })).text()
    await fresh.close()
    // `up` is Prometheus' own.
    const asked = expressions.flatMap((expr) => [...expr.matchAll(/\b((?:imagegate|nodejs|process)_[a-z0-9_]+)(?:\{([^}]*)\})?/g)])
    expect(asked.length).toBeGreaterThan(40)
    for (const [, name = '', filter = ''] of asked) {
      const series = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      // A histogram has no series before its first value; its kind is announced.
      if (name.endsWith('_bucket')) expect(text).toContain(`# TYPE ${name.slice(0, -'_bucket'.length)} histogram`)
      else expect(series, name).not.toEqual([])
      for (const [, label = '', wanted = ''] of filter.matchAll(/(\w+)="([^"]*)"/g))
        if (label !== 'sandbox')
          expect(
            series.some((line) => line.includes(`${label}="${wanted}"`)),
            `${name} ${label}=${wanted}`,
          ).toBe(true)
    }
  })

  test('are explained: each alert has a section in docs/alerts.md, each panel a title', () => {
    const guide = readFileSync(join(DEPLOY, '../docs/alerts.md'), 'utf8')
    for (const { alert, annotations } of alerts) {
      expect(guide).toContain(`\n## ${alert}\n`)
      expect(annotations).toMatchObject({ summary: expect.any(String) as string, description: expect.any(String) as string })
    }
    expect(dashboard.panels.every(({ title }) => title !== '')).toBe(true)
  })
})
