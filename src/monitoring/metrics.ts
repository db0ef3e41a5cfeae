import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { Observer } from '../core/ports.ts'
import type { BreakerState } from '../core/scheduling/circuit-breaker.ts'

const BREAKER_STATES: readonly BreakerState[] = ['closed', 'open', 'half_open']
const SECONDS = [0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300]

export interface Metrics {
  readonly observer: Observer
  observeRequest(request: { method: string; route: string; status: number; ms: number }): void
  /** Prometheus text. */
  text(): Promise<string>
}

/** `load` is read at each scrape. */
export function createMetrics(
  load: () => {
    readonly open: number
    readonly providers: readonly { id: string; inFlight: number; waiting: number; breaker: BreakerState }[]
  },
): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const requests = new Counter({
    name: 'imagegate_http_requests_total',
    help: 'HTTP requests answered.',
    labelNames: ['method', 'route', 'status'],
    registers,
  })
  const requestSeconds = new Histogram({
    name: 'imagegate_http_request_seconds',
    help: 'From request to answer.',
    labelNames: ['route'],
    buckets: [0.01, ...SECONDS],
    registers,
  })
  const generations = new Counter({
    name: 'imagegate_generations_total',
    help: 'Generations ended.',
    labelNames: ['model', 'provider', 'status', 'code'],
    registers,
  })
  const submits = new Counter({
    name: 'imagegate_submits_total',
    help: 'Paid calls made, by what came of them.',
    labelNames: ['provider', 'code'],
    registers,
  })
  const tasks = new Counter({
    name: 'imagegate_tasks_total',
    help: 'Paid tasks ended.',
    labelNames: ['provider', 'model', 'code'],
    registers,
  })
  const taskSeconds = new Histogram({
    name: 'imagegate_task_seconds',
    help: 'From submit to ready.',
    labelNames: ['provider', 'model'],
    buckets: SECONDS,
    registers,
  })
  const polls = new Histogram({
    name: 'imagegate_task_polls',
    help: 'Polls made for a task.',
    labelNames: ['provider'],
    buckets: [0, 1, 2, 3, 5, 8, 13, 21, 50],
    registers,
  })
  new Gauge({
    name: 'imagegate_open_generations',
    help: 'Accepted and not ended.',
    registers,
    collect() {
      this.set(load().open)
    },
  })
  new Gauge({
    name: 'imagegate_provider_tasks',
    help: 'Paid tasks unfinished at a provider, and those that wait for a place.',
    labelNames: ['provider', 'state'],
    registers,
    collect() {
      for (const { id, inFlight, waiting } of load().providers) {
        this.set({ provider: id, state: 'in_flight' }, inFlight)
        this.set({ provider: id, state: 'waiting' }, waiting)
      }
    },
  })
  new Gauge({
    name: 'imagegate_provider_breaker',
    help: 'The state of each provider’s circuit breaker: 1 for the one it is in.',
    labelNames: ['provider', 'state'],
    registers,
    collect() {
      for (const { id, breaker } of load().providers)
        for (const state of BREAKER_STATES) this.set({ provider: id, state }, Number(state === breaker))
    },
  })

  return {
    observer: {
      submitted: (provider, code) => submits.inc({ provider, code: code ?? 'accepted' }),
      taskEnded({ provider, model, code, durationMs, polls: made }) {
        tasks.inc({ provider, model, code: code ?? 'ok' })
        if (durationMs !== null) taskSeconds.observe({ provider, model }, durationMs / 1000)
        polls.observe({ provider }, made)
      },
      generationEnded(record) {
        const provider = record.routes[record.routeIndex]?.provider ?? 'none'
        generations.inc({ model: record.model, provider, status: record.status, code: record.error?.code ?? 'ok' })
      },
    },
    observeRequest({ method, route, status, ms }) {
      requests.inc({ method, route, status })
      requestSeconds.observe({ route }, ms / 1000)
    },
    text: () => registry.metrics(),
  }
}

/** Tells several observers. */
export const observeAll = (observers: readonly Observer[]): Observer => ({
  submitted: (provider, code) => observers.forEach((observer) => observer.submitted(provider, code)),
  taskEnded: (task) => observers.forEach((observer) => observer.taskEnded(task)),
  generationEnded: (record) => observers.forEach((observer) => observer.generationEnded(record)),
})
