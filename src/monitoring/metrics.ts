import { Registry, collectDefaultMetrics } from 'prom-client'
import type { Observer } from '../core/ports.ts'
import { createCounters } from './counters.ts'
import { createGauges } from './gauges.ts'
import type { Load } from './gauges.ts'

export interface Metrics {
  readonly observer: Observer
  observeRequest(request: { method: string; route: string; status: number; ms: number }): void
  /** How busy the gateway is, read at each scrape. */
  readLoad(load: () => Load): void
  /** Prometheus text. */
  text(): Promise<string>
}

export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const { requests, requestSeconds, generations, submits, tasks, taskSeconds, polls, billsNotBelieved } = createCounters(registry)
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
      billNotBelieved: (provider) => billsNotBelieved.inc({ provider }),
    },
    observeRequest({ method, route, status, ms }) {
      requests.inc({ method, route, status })
      requestSeconds.observe({ route }, ms / 1000)
    },
    readLoad: (load) => createGauges(registry, load),
    text: () => registry.metrics(),
  }
}

/** Reports to several observers. */
export const observeAll = (observers: readonly Observer[]): Required<Observer> => ({
  submitted: (provider, code) => observers.forEach((observer) => observer.submitted(provider, code)),
  taskEnded: (task) => observers.forEach((observer) => observer.taskEnded(task)),
  generationEnded: (record) => observers.forEach((observer) => observer.generationEnded(record)),
  billNotBelieved: (provider) => observers.forEach((observer) => observer.billNotBelieved?.(provider)),
})
