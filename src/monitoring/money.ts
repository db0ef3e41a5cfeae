import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import { usdForGraph } from '#contract'
import type { BudgetState } from '#contract'
import type { LedgerEntry } from '../core/records.ts'

/** No gateway key: none are configured. */
const NO_KEY = 'none'

/** What was spent and quoted, in US dollars: for graphs and alerts. The ledger has the exact amounts; these are doubles. */
export function createMoneyCounters(registry: Registry) {
  const labelNames = ['provider', 'model', 'key'] as const
  const registers = [registry]
  const spend = new Counter({
    name: 'imagegate_spend_usd_total',
    help: 'Settled cost of paid tasks, in US dollars.',
    labelNames,
    registers,
  })
  const quoted = new Counter({
    name: 'imagegate_quoted_usd_total',
    help: 'What the same tasks were quoted, in US dollars; spend divided by it is the drift.',
    labelNames,
    registers,
  })
  const unknown = new Counter({
    name: 'imagegate_unknown_cost_tasks_total',
    help: 'Paid tasks whose cost is not known; `imagegate reconcile` settles them.',
    labelNames,
    registers,
  })
  return {
    /** A line that settles or adjusts a task. */
    settled({ provider, model, key, amount, task, kind }: LedgerEntry): void {
      const labels = { provider, model, key: key ?? NO_KEY }
      if (amount === null) unknown.inc(labels)
      // What is given back after the settlement cannot be taken from a counter.
      else spend.inc(labels, Math.max(0, usdForGraph(amount)))
      if (kind !== 'adjusted' && task?.quoted) quoted.inc(labels, usdForGraph(task.quoted))
    },
    /** Shows an offer from the start, so that its first cost is an increase and not a new series. */
    atZero(provider: string, model: string, key: string | null): void {
      const labels = { provider, model, key: key ?? NO_KEY }
      for (const counter of [spend, quoted, unknown]) counter.inc(labels, 0)
    },
  }
}

/** Gauges that read the budgets at each scrape. */
export function createBudgetGauges(registry: Registry, budgets: () => Promise<readonly BudgetState[]>): void {
  const gauge = (name: string, help: string, read: (budget: BudgetState) => string) =>
    new Gauge({
      name,
      help,
      labelNames: ['key'],
      registers: [registry],
      async collect() {
        const all = await budgets()
        this.reset()
        for (const budget of all) this.set({ key: budget.key }, usdForGraph(read(budget)))
      },
    })
  gauge('imagegate_budget_limit_usd', 'The budget of a gateway key in its period.', ({ limit }) => limit)
  gauge('imagegate_budget_left_usd', 'What is left of a gateway key’s budget in its period, reservations taken off.', ({ left }) => left)
}
