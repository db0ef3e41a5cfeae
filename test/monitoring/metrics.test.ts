import { expect, test } from 'vitest'
import { createMetrics, observeAll } from '../../src/monitoring/metrics.ts'

test('the bills that are not believed are counted for each provider, through any number of observers', async () => {
  const metrics = createMetrics()
  const silent = { submitted() {}, taskEnded() {}, generationEnded() {} }
  const observer = observeAll([silent, metrics.observer])
  observer.billNotBelieved('alpha')
  observer.billNotBelieved('alpha')
  expect(await metrics.text()).toContain('imagegate_bills_not_believed_total{provider="alpha"} 2')
})

test('the load is read at each scrape', async () => {
  const metrics = createMetrics()
  let open = 1
  metrics.readLoad(() => ({ open, providers: [{ id: 'alpha', inFlight: 2, waiting: 3, breaker: 'half_open' }] }))
  expect(await metrics.text()).toContain('imagegate_open_generations 1')
  open = 4
  const text = await metrics.text()
  for (const line of [
    'imagegate_open_generations 4',
    'imagegate_provider_tasks{provider="alpha",state="in_flight"} 2',
    'imagegate_provider_tasks{provider="alpha",state="waiting"} 3',
    'imagegate_provider_breaker{provider="alpha",state="half_open"} 1',
    'imagegate_provider_breaker{provider="alpha",state="closed"} 0',
  ])
    expect(text).toContain(line)
})
