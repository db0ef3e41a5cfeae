import { ConsecutiveBreaker, ExponentialBackoff, noJitterGenerator } from 'cockatiel'
import type { FailureCode } from '#contract'
import type { Clock, Log, Observer } from '../ports.ts'
import { iso } from '../instant.ts'
import type { Instant } from '../instant.ts'

export type BreakerState = 'closed' | 'open' | 'half_open'

export interface BreakerSettings {
  /** Faults in a row that open it. */
  readonly faults: number
  /** From opening to the first probe; doubles with each probe or trial that fails, to at most 10 minutes. */
  readonly coolDownMs: number
}

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
}

const MAX_COOL_DOWN_MS = 600_000
/** A trial without a result for so long was canceled or hangs: the next task may try. */
const TRIAL_MS = 60_000
const SOON_MS = 1_000
const NOT_TRIED = Number.NEGATIVE_INFINITY

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

interface Circuit {
  readonly provider: string
  state: BreakerState
  readonly counter: ConsecutiveBreaker
  failuresInARow: number
  coolDown: ReturnType<ExponentialBackoff<number>['next']> | null
  /** On the monotonic clock, as `trialUntilMs`. */
  untilMs: number
  trialUntilMs: number
  stopTimer: () => void
}

interface World extends BreakerDependencies {
  readonly circuits: Map<string, Circuit>
}

export function createBreakers(dependencies: BreakerDependencies): Breakers {
  const { clock } = dependencies
  const circuits = new Map<string, Circuit>()
  const world: World = { ...dependencies, circuits }
  return {
    observer: {
      submitted(provider, code) {
        if (code === null || ALIVE.has(code)) succeeded(world, provider)
        else if (FAULTS.has(code)) failed(world, provider, code)
      },
      taskEnded() {},
      generationEnded() {},
    },
    submitting(provider) {
      const circuit = circuits.get(provider)
      if (circuit?.state === 'half_open') circuit.trialUntilMs = clock.monotonicMs() + TRIAL_MS
    },
    state: (provider) => circuits.get(provider)?.state ?? 'closed',
    failuresInARow: (provider) => circuits.get(provider)?.failuresInARow ?? 0,
    nextTryAt(provider) {
      const circuit = circuits.get(provider)
      return circuit?.state === 'open' ? clock.now() + Math.max(0, Math.ceil(circuit.untilMs - clock.monotonicMs())) : null
    },
    pause(provider) {
      const circuit = circuits.get(provider)
      return circuit ? pauseOf(circuit, clock) : null
    },
    reset(provider) {
      circuits.get(provider)?.stopTimer()
      circuits.delete(provider)
    },
    close() {
      for (const circuit of circuits.values()) circuit.stopTimer()
      circuits.clear()
    },
  }
}

function circuitOf({ circuits }: World, provider: string, { faults }: BreakerSettings): Circuit {
  const known = circuits.get(provider)
  if (known) return known
  const counter = new ConsecutiveBreaker(faults)
  const circuit: Circuit = {
    provider,
    state: 'closed',
    counter,
    failuresInARow: 0,
    coolDown: null,
    untilMs: 0,
    trialUntilMs: NOT_TRIED,
    stopTimer: () => {},
  }
  circuits.set(provider, circuit)
  return circuit
}

function failed(world: World, provider: string, fault: FailureCode): void {
  const settings = world.settings()
  if (!settings) return
  const circuit = circuitOf(world, provider, settings)
  circuit.failuresInARow++
  switch (circuit.state) {
    case 'closed':
      if (circuit.counter.failure()) open(world, circuit, settings, fault)
      return
    case 'half_open':
      open(world, circuit, settings, fault)
      return
    case 'open':
  }
}

function succeeded({ circuits, log }: World, provider: string): void {
  const circuit = circuits.get(provider)
  // Open, it is a submit sent before, which says nothing of the next one.
  if (!circuit || circuit.state === 'open') return
  circuit.counter.success()
  circuit.failuresInARow = 0
  if (circuit.state === 'closed') return
  circuit.state = 'closed'
  circuit.coolDown = null
  log.info({ provider }, 'the breaker closed: the provider takes tasks again')
}

function open(world: World, circuit: Circuit, { coolDownMs }: BreakerSettings, fault: FailureCode): void {
  const { clock, log } = world
  const { provider } = circuit
  circuit.coolDown =
    circuit.coolDown?.next(undefined) ??
    new ExponentialBackoff({ generator: noJitterGenerator, initialDelay: coolDownMs, maxDelay: MAX_COOL_DOWN_MS }).next()
  const { duration } = circuit.coolDown
  circuit.state = 'open'
  circuit.untilMs = clock.monotonicMs() + duration
  circuit.stopTimer = clock.after(duration, () => void probeNow(world, circuit, fault))
  log.warn({ provider, fault, for_ms: duration }, 'the breaker opened: no new task goes to the provider')
}

async function probeNow(world: World, circuit: Circuit, fault: FailureCode): Promise<void> {
  const { provider } = circuit
  const mended = await world.probe(provider, fault)
  const settings = world.settings()
  // Judged anew while it was probed.
  if (!settings || world.circuits.get(provider) !== circuit || circuit.state !== 'open') return
  if (!mended) return open(world, circuit, settings, fault)
  circuit.state = 'half_open'
  circuit.trialUntilMs = NOT_TRIED
  world.log.info({ provider }, 'the breaker is half open: the next task is the trial')
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
