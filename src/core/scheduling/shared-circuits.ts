import type { FailureCode } from '#contract'
import type { KeptBreaker, Nodes } from '../nodes.ts'
import type { Clock } from '../ports.ts'
import type { Instant } from '../instant.ts'
import { after, CLOSED, NEVER } from './circuit.ts'
import type { Circuit, CircuitEvent, Judge } from './circuit.ts'

export type SharingNodes = Pick<Nodes, 'onMessage' | 'breakers' | 'keepBreaker'>

export interface SharedCircuitsDependencies {
  readonly nodes: SharingNodes
  readonly clock: Clock
  readonly judge: () => Judge
  /** A circuit is other than it was here, by what happened elsewhere. */
  readonly adopt: (provider: string, circuit: Circuit) => void
}

/** The circuits of processes that share a store: what happens at one of them happens to all. */
export interface SharedCircuits {
  /** An event happened here. Returns whether it changed what all have. */
  happened(provider: string, event: CircuitEvent): Promise<boolean>
  stop(): void
}

interface Shared {
  readonly provider: string
  version: number
  /** As it is kept. */
  kept: Circuit
  /** What happened here since. */
  readonly pending: { readonly event: CircuitEvent; readonly done: (hasChanged: boolean) => void }[]
  isKeeping: boolean
  /** Others changed it meanwhile. */
  isBehind: boolean
}

/** When a store that is away is asked again. */
const AGAIN_MS = 1_000
/** Whoever probed it sends the trial, if it has anything to send. */
const TRIAL_ELSEWHERE_MS = 1_000

export const shareCircuits = (dependencies: SharedCircuitsDependencies): SharedCircuits => new Circuits(dependencies)

class Circuits implements SharedCircuits {
  readonly #deps: SharedCircuitsDependencies
  readonly #shared = new Map<string, Shared>()
  #isStopped = false

  constructor(deps: SharedCircuitsDependencies) {
    this.#deps = deps
    deps.nodes.onMessage(({ kind }) => {
      if (kind === 'breaker' || kind === 'reconnected') void this.#read()
    })
    void this.#read()
  }

  happened(provider: string, event: CircuitEvent): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const shared = this.#of(provider)
    shared.pending.push({ event, done: resolve })
    void this.#keep(shared)
    return promise
  }

  stop(): void {
    this.#isStopped = true
  }

  #of(provider: string): Shared {
    let shared = this.#shared.get(provider)
    if (!shared)
      this.#shared.set(provider, (shared = { provider, version: 0, kept: CLOSED, pending: [], isKeeping: false, isBehind: false }))
    return shared
  }

  /** Keeps what happened here, on top of whatever happened elsewhere. */
  async #keep(shared: Shared): Promise<void> {
    if (shared.isKeeping) return
    shared.isKeeping = true
    while (shared.pending.length > 0 && !this.#isStopped) {
      const events = [...shared.pending]
      const steps = [shared.kept]
      for (const { event } of events) steps.push(after(steps.at(-1) ?? shared.kept, event, this.#deps.judge()))
      const next = steps.at(-1) ?? shared.kept
      const hasChanged = next !== shared.kept
      const isKept = !hasChanged || (await this.#write(shared, next))
      if (!isKept) {
        await this.#read(shared)
        continue
      }
      if (hasChanged) shared.version++
      shared.kept = next
      shared.pending.splice(0, events.length)
      // What was judged here by an older state is judged by this one.
      if (!hasChanged) this.#deps.adopt(shared.provider, next)
      events.forEach(({ done }, index) => done(steps[index] !== steps[index + 1]))
    }
    shared.isKeeping = false
    if (shared.isBehind) await this.#read()
  }

  async #write(shared: Shared, next: Circuit): Promise<boolean> {
    const { nodes, clock } = this.#deps
    const state = sharedOf(next, clock)
    return nodes.keepBreaker({ provider: shared.provider, version: shared.version, state }).catch(async () => {
      await new Promise<void>((resolve) => void clock.after(AGAIN_MS, resolve))
      return false
    })
  }

  /** @param asking whose changes are not kept at this moment; the others of such are read once they are */
  async #read(asking: Shared | null = null): Promise<void> {
    const { nodes, clock, judge, adopt } = this.#deps
    const rows = await nodes.breakers().catch((): readonly KeptBreaker[] => [])
    if (this.#isStopped) return
    for (const { provider, version, state } of rows) {
      const shared = this.#of(provider)
      // Who was refused takes what is kept, also where a restored database has an earlier one.
      if (version === shared.version || (version < shared.version && shared !== asking)) continue
      shared.isBehind = shared.isKeeping && shared !== asking
      if (shared.isBehind) continue
      shared.version = version
      shared.kept = circuitOf(state, clock)
      adopt(
        provider,
        shared.pending.reduce((circuit, { event }) => after(circuit, event, judge()), shared.kept),
      )
    }
  }
}

/** Its times as moments that all processes share. */
function sharedOf({ untilMs, probedUntilMs, trialUntilMs, ...rest }: Circuit, clock: Clock): KeptBreaker['state'] {
  const at = (ms: number): Instant | null => (ms === NEVER ? null : Math.round(clock.now() + ms - clock.monotonicMs()))
  return { ...rest, untilAt: at(untilMs), probedUntilAt: at(probedUntilMs), trialUntilAt: at(trialUntilMs) }
}

function circuitOf({ untilAt, probedUntilAt, trialUntilAt, ...rest }: KeptBreaker['state'], clock: Clock): Circuit {
  const ms = (at: Instant | null): number => (at === null ? NEVER : clock.monotonicMs() + at - clock.now())
  const trialUntilMs = rest.state === 'half_open' ? Math.max(ms(trialUntilAt), clock.monotonicMs() + TRIAL_ELSEWHERE_MS) : ms(trialUntilAt)
  return { ...rest, fault: rest.fault as FailureCode | null, untilMs: ms(untilAt), probedUntilMs: ms(probedUntilAt), trialUntilMs }
}
