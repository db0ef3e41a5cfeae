import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { createMetrics, observeAll } from '../../src/monitoring/metrics.ts'
import type { MetricSources } from '../../src/monitoring/metrics.ts'

const build = { version: '1.2.3', sandbox: false, startedAtMs: 1_000 }
const quiet: MetricSources = {
  load: () => ({ open: 0, providers: [] }),
  budgets: async () => [],
  subjects: () => ({ offers: [{ provider: 'alpha', model: 'm' }], keys: ['team'] }),
}

test('the bills that are not believed are counted for each provider, through any number of observers', async () => {
  const metrics = createMetrics(build)
  const silent = { submitted() {}, taskEnded() {}, generationEnded() {} }
  const observer = observeAll([silent, metrics.observer])
  observer.billNotBelieved('alpha')
  observer.billNotBelieved('alpha')
  expect(await metrics.text()).toContain('imagegate_bills_not_believed_total{provider="alpha"} 2')
})

test('every series of an offer is there, at zero, before anything happens to it', async () => {
  const metrics = createMetrics(build)
  metrics.readFrom(quiet)
  const text = await metrics.text()
  for (const line of [
    'imagegate_spend_usd_total{provider="alpha",model="m",key="team"} 0',
    'imagegate_quoted_usd_total{provider="alpha",model="m",key="team"} 0',
    'imagegate_unknown_cost_tasks_total{provider="alpha",model="m",key="team"} 0',
    'imagegate_bills_not_believed_total{provider="alpha"} 0',
    'imagegate_submits_total{provider="alpha",code="accepted"} 0',
    'imagegate_submits_total{provider="alpha",code="rate_limited"} 0',
    'imagegate_tasks_total{provider="alpha",model="m",code="outcome_unknown"} 0',
    'imagegate_generations_total{model="m",provider="alpha",status="failed",code="outcome_unknown"} 0',
    'imagegate_config_reloads_total{result="refused"} 0',
    'imagegate_config_last_reload_successful 1',
    `imagegate_build_info{version="1.2.3",node="${process.version}",sandbox="false"} 1`,
  ])
    expect(text).toContain(line)
})

test('the load and the budgets are read at each scrape', async () => {
  const metrics = createMetrics(build)
  let open = 1
  const provider = { id: 'alpha', inFlight: 2, waiting: 3, maxInFlight: 24, free: 22, enabled: true, breaker: 'half_open' as const }
  const budget = { key: 'team', period: 'month' as const, used: '1.5', limit: '5', left: '3.5', renews_at: null }
  metrics.readFrom({ ...quiet, load: () => ({ open, providers: [provider] }), budgets: async () => [budget] })
  expect(await metrics.text()).toContain('imagegate_open_generations 1')
  open = 4
  const text = await metrics.text()
  for (const line of [
    'imagegate_open_generations 4',
    'imagegate_provider_tasks{provider="alpha",state="in_flight"} 2',
    'imagegate_provider_tasks{provider="alpha",state="waiting"} 3',
    'imagegate_provider_slots{provider="alpha",state="limit"} 24',
    'imagegate_provider_slots{provider="alpha",state="free"} 22',
    'imagegate_provider_enabled{provider="alpha"} 1',
    'imagegate_provider_breaker{provider="alpha",state="half_open"} 1',
    'imagegate_provider_breaker{provider="alpha",state="closed"} 0',
    'imagegate_budget_left_usd{key="team"} 3.5',
    'imagegate_budget_limit_usd{key="team"} 5',
  ])
    expect(text).toContain(line)
})

test('a configuration that is refused shows until one is read that is not', async () => {
  const metrics = createMetrics(build)
  metrics.observeReload('refused', 5_000)
  expect(await metrics.text()).toMatch(/last_reload_successful 0\n[^]*success_timestamp_seconds 1\n/)
  metrics.observeReload('swapped', 7_000)
  expect(await metrics.text()).toMatch(/last_reload_successful 1\n[^]*success_timestamp_seconds 7\n/)
})

test('each alert has a section in docs/alerts.md, a summary and a description; each panel of the dashboard has a title', () => {
  const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8')
  const { groups } = parse(read('deploy/prometheus/alerts.yaml')) as { groups: { rules: { alert: string; annotations: object }[] }[] }
  const { panels } = JSON.parse(read('deploy/grafana/imagegate.json')) as { panels: { title: string }[] }
  const guide = read('docs/alerts.md')
  for (const { alert, annotations } of groups.flatMap(({ rules }) => rules)) {
    expect(guide).toContain(`\n## ${alert}\n`)
    expect(annotations).toMatchObject({ summary: expect.any(String) as string, description: expect.any(String) as string })
  }
  expect(panels.map(({ title }) => title)).not.toContain('')
})
