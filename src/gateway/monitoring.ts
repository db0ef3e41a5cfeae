import packageJson from '../../package.json' with { type: 'json' }
import { shareNews } from '../core/news.ts'
import { createBreakers } from '../core/scheduling/circuit-breaker.ts'
import type { Breakers } from '../core/scheduling/circuit-breaker.ts'
import type { Observer } from '../core/ports.ts'
import { createHealth } from '../monitoring/health.ts'
import type { Health } from '../monitoring/health.ts'
import { createMetrics, observeAll } from '../monitoring/metrics.ts'
import type { Metrics } from '../monitoring/metrics.ts'
import { createTraces } from '../monitoring/traces.ts'
import { IDS } from './clock-and-ids.ts'
import type { Resources } from './open-resources.ts'
import { littleTurn } from '../reading/turn-share.ts'
import { createProbe } from './probe.ts'
import { providersReachedAnew } from './providers-reached-anew.ts'

export interface Monitoring {
  readonly health: Health
  readonly breakers: Breakers
  readonly metrics: Metrics
  /** Reports to all of them, and to an OpenTelemetry SDK where one is loaded. */
  readonly observer: Observer
}

/** What watches the providers: their health, their breakers, and the figures for operators. */
export function createMonitoring(
  { catalogue, transport, config, live, clock, log, store }: Resources,
  opened: AsyncDisposableStack,
): Monitoring {
  const say = shareNews<[provider: string, isWell: boolean]>({
    nodes: store.nodes,
    clock,
    topic: 'outcomes',
    hear: ([provider, isWell]) => health.endedElsewhere(provider, isWell),
  })
  const health = createHealth((provider, isWell) => say([provider, isWell]))
  const probe = createProbe({ catalogue, send: transport.send, ids: IDS })
  const breakers = createBreakers({ clock, log, settings: () => config().breaker, probe, nodes: store.nodes })
  opened.defer(() => breakers.close())
  live.onSwapped((next, before) => providersReachedAnew(next, before).forEach((provider) => breakers.reset(provider)))
  const metrics = createMetrics({
    version: packageJson.version,
    sandbox: config().sandbox,
    startedAtMs: clock.now(),
    turn: () => littleTurn('scrapes', 0),
  })
  live.onRead(({ kind }) => metrics.observeReload(kind, clock.now()))
  return { health, breakers, metrics, observer: observeAll([metrics.observer, health.observer, breakers.observer, createTraces()]) }
}
