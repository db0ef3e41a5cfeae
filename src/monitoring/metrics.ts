import { Registry, collectDefaultMetrics } from 'prom-client'
import { FailureCode } from '#contract'
import type { BudgetState } from '#contract'
import type { Observer } from '../core/ports.ts'
import { createCounters } from './counters.ts'
import { createGauges } from './gauges.ts'
import type { Load } from './gauges.ts'
import { createBudgetGauges, createMoneyCounters } from './money.ts'

/** What the metrics are about, so that every series is there from the start. */
export interface Subjects {
  readonly offers: readonly { readonly provider: string; readonly model: string }[]
  /** Names of the gateway keys; null where there are none. */
  readonly keys: readonly (string | null)[]
}

/** What is read at each scrape. */
export interface MetricSources {
  load(): Load
  budgets(): Promise<readonly BudgetState[]>
  subjects(): Subjects
}

export interface Metrics {
  readonly observer: Observer
  observeRequest(request: { method: string; route: string; status: number; ms: number }): void
  /** Such an answer may come: it is counted from zero on. */
  expectRequests(answer: { method: string; route: string; status: number }): void
  /** More was asked than a limit allows. */
  observeLimited(exceeded: Limited): void
  /** What may be limited: counted from zero on. */
  expectLimited(all: readonly Limited[]): void
  /** The configuration was read again. */
  observeReload(result: 'swapped' | 'unchanged' | 'refused', atMs: number): void
  readFrom(sources: MetricSources): void
  /** Prometheus text. */
  text(): Promise<string>
}

export interface Limited {
  readonly limit: string
  readonly of: string
}

export interface Build {
  readonly version: string
  readonly sandbox: boolean
  readonly startedAtMs: number
  /** Resolves when the next series may be written: all of them would take too long for one turn of the event loop. */
  readonly turn?: () => Promise<void>
}

/** Sums that are gauges and end as counters do; `promtool check metrics` refuses them. Each is there without the ending too, by kind. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

export function createMetrics({ version, sandbox, startedAtMs, turn = async () => {} }: Build): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  const counters = createCounters(registry)
  const money = createMoneyCounters(registry)
  counters.build.set({ version, node: process.version, sandbox: String(sandbox) }, 1)
  counters.reloadSucceeded.set(1)
  counters.reloadedAt.set(startedAtMs / 1000)
  for (const result of ['swapped', 'unchanged', 'refused']) counters.reloads.inc({ result }, 0)
  let subjects = (): Subjects => ({ offers: [], keys: [] })

  return {
    observer: observerOf(counters, money),
    observeRequest({ method, route, status, ms }) {
      counters.requests.inc({ method, route, status })
      counters.requestSeconds.observe({ route }, ms / 1000)
    },
    expectRequests: (labels) => counters.requests.inc(labels, 0),
    observeLimited: ({ limit, of }) => counters.limited.inc({ limit, of }),
    expectLimited: (all) => all.forEach((labels) => counters.limited.inc({ ...labels }, 0)),
    observeReload(result, atMs) {
      counters.reloads.inc({ result })
      counters.reloadSucceeded.set(Number(result !== 'refused'))
      if (result !== 'refused') counters.reloadedAt.set(atMs / 1000)
    },
    readFrom(sources) {
      createGauges(registry, () => sources.load())
      createBudgetGauges(registry, () => sources.budgets())
      subjects = () => sources.subjects()
    },
    async text() {
      // Providers and keys come with a reload too.
      await showAtZero(counters, money, subjects(), turn)
      // As `registry.metrics()` writes them, which writes all at once: the more keys and offers there are, the longer that takes.
      const written: string[] = []
      for (const { name } of registry.getMetricsAsArray()) {
        await turn()
        written.push(await registry.getSingleMetricAsString(name))
      }
      return `${written.join('\n\n')}\n`
    },
  }
}

type Counters = ReturnType<typeof createCounters>
type Money = ReturnType<typeof createMoneyCounters>

function observerOf({ submits, tasks, taskSeconds, polls, generations, billsNotBelieved }: Counters, money: Money): Observer {
  return {
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
    settled: (entry) => money.settled(entry),
    billNotBelieved: (provider) => billsNotBelieved.inc({ provider }),
  }
}

/** A series that begins at its first event hides that event from `increase()` and `rate()`. */
async function showAtZero(
  { submits, tasks, generations, billsNotBelieved }: Counters,
  money: Money,
  { offers, keys }: Subjects,
  turn: () => Promise<void>,
): Promise<void> {
  for (const provider of new Set(offers.map((offer) => offer.provider))) {
    billsNotBelieved.inc({ provider }, 0)
    for (const code of ['accepted', ...FailureCode.options]) submits.inc({ provider, code }, 0)
  }
  for (const { provider, model } of offers) {
    await turn()
    for (const key of keys) money.atZero(provider, model, key)
    for (const code of ['ok', ...FailureCode.options]) tasks.inc({ provider, model, code }, 0)
    generations.inc({ model, provider, status: 'succeeded', code: 'ok' }, 0)
    for (const code of FailureCode.options)
      generations.inc({ model, provider, status: code === 'canceled' ? 'canceled' : 'failed', code }, 0)
  }
}

/** Reports to several observers. */
export const observeAll = (observers: readonly Observer[]): Required<Observer> => ({
  submitted: (provider, code) => observers.forEach((observer) => observer.submitted(provider, code)),
  taskEnded: (task) => observers.forEach((observer) => observer.taskEnded(task)),
  generationEnded: (record) => observers.forEach((observer) => observer.generationEnded(record)),
  settled: (entry) => observers.forEach((observer) => observer.settled?.(entry)),
  billNotBelieved: (provider) => observers.forEach((observer) => observer.billNotBelieved?.(provider)),
})
