import { Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import type { BreakerState } from '../core/scheduling/circuit-breaker.ts'

const BREAKER_STATES: readonly BreakerState[] = ['closed', 'open', 'half_open']

/** How busy the gateway is at one moment. */
export interface Load {
  /** Generations accepted and not ended. */
  readonly open: number
  readonly providers: readonly {
    readonly id: string
    readonly inFlight: number
    readonly waiting: number
    /** As configured. */
    readonly maxInFlight: number
    /** How many more tasks it takes now. */
    readonly free: number
    readonly enabled: boolean
    readonly breaker: BreakerState
  }[]
}

/** Gauges that read `load` at each scrape. */
export function createGauges(registry: Registry, load: () => Load): void {
  const registers = [registry]
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
    help: 'Paid tasks unfinished at a provider, and those that wait for a slot.',
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
    name: 'imagegate_provider_slots',
    help: 'How many paid tasks a provider may have unfinished (limit, as configured), and how many more it takes now (free).',
    labelNames: ['provider', 'state'],
    registers,
    collect() {
      for (const { id, maxInFlight, free } of load().providers) {
        this.set({ provider: id, state: 'limit' }, maxInFlight)
        this.set({ provider: id, state: 'free' }, free)
      }
    },
  })
  new Gauge({
    name: 'imagegate_provider_enabled',
    help: '1 where the configuration enables the provider, else 0.',
    labelNames: ['provider'],
    registers,
    collect() {
      for (const { id, enabled } of load().providers) this.set({ provider: id }, Number(enabled))
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
}
