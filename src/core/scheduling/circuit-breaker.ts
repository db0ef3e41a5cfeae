import type { FailureCode } from '#contract'
import type { Clock, Log, Observer } from '../ports.ts'
import { iso } from '../instant.ts'
import type { Instant } from '../instant.ts'
import { after, CLOSED } from './circuit.ts'
import type { BreakerSettings, BreakerState, Circuit, CircuitEvent } from './circuit.ts'
import { shareCircuits } from './shared-circuits.ts'
import type { SharingNodes } from './shared-circuits.ts'

export type { BreakerSettings, BreakerState } from './circuit.ts'

/** Why a provider gets no new task for now. */
export interface Pause {
  readonly reason: string
  /** How long until it is worth asking again. */
  readonly retryAfterMs: number
}

/**
 * A circuit breaker for each provider.
 *
 *   closed      tasks go there
 *   open        none do: so many submits in a row ended in the provider's own fault. When the cool-down is over it is probed with a free call
 *   half_open   the probe was answered. Since a free call proves little of the paid one, one real submit is let through: a success closes,
 *               a fault opens again, for longer
 *
 * Only submits count. A poll or a download that fails is repeated while its task can live, and what a vendor's image host does says nothing
 * of its API. A vendor's moderation, refusal or rate limit is no fault. A rejected key or an empty account is one: it will not mend by
 * itself, but others can take over. Waits are measured with the monotonic clock: a wall clock that jumps neither opens nor closes anything.
 *
 * Processes that share a store share their breakers: faults are counted for all together, and one of them probes.
 */
export interface Breakers {
  readonly observer: Observer
  /** A paid call leaves for the provider; half open, it is the trial. */
  submitting(provider: string): void
  state(provider: string): BreakerState
  /** Submits that ended in its own fault since the last success, or since it was judged anew; 0 where breakers are off. */
  failuresInARow(provider: string): number
  /** When an open breaker probes next; null where it is not open. By the wall clock of now, so only to be shown. */
  nextTryAt(provider: string): Instant | null
  /** Null where new tasks may go there. */
  pause(provider: string): Pause | null
  /** Judges the provider anew, as after a change of its configuration. */
  reset(provider: string): void
  /** Stops every probe that waits. */
  close(): void
}

export interface BreakerDependencies {
  readonly clock: Clock
  readonly log: Pick<Log, 'warn' | 'info'>
  /** Read at each use; null: no breaker ever opens. */
  readonly settings: () => BreakerSettings | null
  /** Whether a free call finds the provider mended of its last fault. Must not reject. */
  readonly probe: (provider: string, fault: FailureCode) => Promise<boolean>
  /** Absent where this process is the only one. */
  readonly nodes?: SharingNodes | undefined
}

const SOON_MS = 1_000

/** A submit that was answered so shows that the provider is at work. */
const ALIVE: ReadonlySet<FailureCode> = new Set(['moderated', 'provider_rejected'])
const FAULTS: ReadonlySet<FailureCode> = new Set([
  'provider_unavailable',
  'provider_timeout',
  'bad_reply',
  'provider_unauthorized',
  'insufficient_credit',
  // No reply came; the task may yet be recovered.
  'outcome_unknown',
])

export const createBreakers = (dependencies: BreakerDependencies): Breakers => new CircuitBreakers(dependencies)

class CircuitBreakers implements Breakers {
  readonly observer: Observer
  readonly #deps: BreakerDependencies
  readonly #circuits = new Map<string, Circuit>()
  readonly #timers = new Map<string, () => void>()
  readonly #shared: ReturnType<typeof shareCircuits> | null
  #isClosed = false

  constructor(deps: BreakerDependencies) {
    this.#deps = deps
    this.observer = {
      submitted: (provider, code) => {
        if (code === null || ALIVE.has(code)) void this.#happen(provider, { kind: 'success' })
        else if (FAULTS.has(code)) void this.#happen(provider, { kind: 'fault', fault: code })
      },
      taskEnded() {},
      generationEnded() {},
    }
    const { nodes, clock } = deps
    this.#shared = nodes
      ? shareCircuits({
          nodes,
          clock,
          judge: () => this.#judge(),
          adopt: (provider, circuit) => {
            if (!this.#isClosed && deps.settings() !== null) this.#become(provider, circuit, { elsewhere: true })
          },
        })
      : null
  }

  submitting(provider: string): void {
    void this.#happen(provider, { kind: 'submitting' })
  }

  state(provider: string): BreakerState {
    return this.#of(provider).state
  }

  failuresInARow(provider: string): number {
    return this.#of(provider).failuresInARow
  }

  nextTryAt(provider: string): Instant | null {
    const { state, untilMs } = this.#of(provider)
    const { clock } = this.#deps
    return state === 'open' ? clock.now() + Math.max(0, Math.ceil(untilMs - clock.monotonicMs())) : null
  }

  pause(provider: string): Pause | null {
    return pauseOf(this.#of(provider), this.#deps.clock)
  }

  reset(provider: string): void {
    void this.#happen(provider, { kind: 'reset' })
  }

  close(): void {
    this.#isClosed = true
    this.#shared?.stop()
    for (const stop of this.#timers.values()) stop()
    this.#timers.clear()
    this.#circuits.clear()
  }

  #of(provider: string): Circuit {
    return this.#circuits.get(provider) ?? CLOSED
  }

  #judge() {
    return { nowMs: this.#deps.clock.monotonicMs(), settings: this.#deps.settings() }
  }

  /** Returns whether it changed the circuit; that of all processes, where there are others. */
  #happen(provider: string, event: CircuitEvent): Promise<boolean> | boolean {
    if (this.#isClosed) return false
    const before = this.#of(provider)
    const circuit = after(before, event, this.#judge())
    if (circuit === before) return false
    const shared = this.#shared?.happened(provider, event)
    this.#become(provider, circuit)
    return shared ?? true
  }

  #become(provider: string, circuit: Circuit, fields: object = {}): void {
    const before = this.#of(provider)
    this.#circuits.set(provider, circuit)
    this.#awaitProbe(provider)
    const { clock, log } = this.#deps
    if (circuit.state === 'open') {
      if (circuit.opened === before.opened) return
      const forMs = Math.round(circuit.untilMs - clock.monotonicMs())
      log.warn({ provider, fault: circuit.fault, for_ms: forMs, ...fields }, 'the breaker opened: no new task goes to the provider')
    } else if (circuit.state !== before.state) {
      const message =
        circuit.state === 'closed'
          ? 'the breaker closed: the provider takes tasks again'
          : 'the breaker is half open: the next task is the trial'
      log.info({ provider, ...fields }, message)
    }
  }

  #awaitProbe(provider: string): void {
    this.#timers.get(provider)?.()
    this.#timers.delete(provider)
    const { state, untilMs, probedUntilMs } = this.#of(provider)
    if (state !== 'open' || this.#isClosed) return
    const { clock } = this.#deps
    const inMs = Math.max(1, Math.ceil(Math.max(untilMs, probedUntilMs) - clock.monotonicMs()))
    this.#timers.set(
      provider,
      clock.after(inMs, () => void this.#probe(provider)),
    )
  }

  /** Its cool-down is over: one process asks the provider. */
  async #probe(provider: string): Promise<void> {
    // Another process was quicker, or the timer was early: it is seen again whether somebody has to.
    if (!(await this.#happen(provider, { kind: 'probing' }))) return this.#awaitProbe(provider)
    const { opened, fault } = this.#of(provider)
    const isMended = await this.#deps.probe(provider, fault ?? 'provider_unavailable')
    void this.#happen(provider, { kind: 'probed', opened, isMended })
  }
}

function pauseOf(circuit: Circuit, clock: Clock): Pause | null {
  const nowMs = clock.monotonicMs()
  switch (circuit.state) {
    case 'closed':
      return null
    case 'half_open': {
      if (circuit.trialUntilMs <= nowMs) return null
      return { reason: 'breaker half open: one request is trying whether it works again.', retryAfterMs: SOON_MS }
    }
    case 'open': {
      const retryAfterMs = Math.max(SOON_MS, Math.ceil(circuit.untilMs - nowMs))
      if (circuit.untilMs <= nowMs) return { reason: 'breaker open: it is being probed.', retryAfterMs }
      return { reason: `breaker open until ${iso(clock.now() + retryAfterMs)}.`, retryAfterMs }
    }
  }
}
