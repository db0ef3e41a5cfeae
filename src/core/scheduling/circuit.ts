import { ConsecutiveBreaker, ExponentialBackoff, noJitterGenerator } from 'cockatiel'
import type { FailureCode } from '#contract'

export type BreakerState = 'closed' | 'open' | 'half_open'

export interface BreakerSettings {
  /** Faults in a row that open it. */
  readonly faults: number
  /** From opening to the first probe; doubles with each probe or trial that fails, to at most 10 minutes. */
  readonly coolDownMs: number
}

const MAX_COOL_DOWN_MS = 600_000
/** A trial without a result for so long was canceled or hangs: the next task may try. */
const TRIAL_MS = 60_000
/** A probe without a result for so long is nobody's any more: its process has ended. Longer than any probe. */
const PROBE_MS = 15_000
export const NEVER = Number.NEGATIVE_INFINITY

/** A provider's breaker as it is at one moment; times are on the monotonic clock. */
export interface Circuit {
  readonly state: BreakerState
  readonly failuresInARow: number
  /** What opened it. */
  readonly fault: FailureCode | null
  /** How often it opened, ever. */
  readonly opened: number
  /** How often it opened since it was closed last. */
  readonly coolDowns: number
  /** The end of its cool-down. */
  readonly untilMs: number
  /** Until then somebody is probing it. */
  readonly probedUntilMs: number
  /** Until then somebody is trying a real submit. */
  readonly trialUntilMs: number
}

export const CLOSED: Circuit = {
  state: 'closed',
  failuresInARow: 0,
  fault: null,
  opened: 0,
  coolDowns: 0,
  untilMs: NEVER,
  probedUntilMs: NEVER,
  trialUntilMs: NEVER,
}

export type CircuitEvent =
  | { readonly kind: 'fault'; readonly fault: FailureCode }
  | { readonly kind: 'success' }
  /** A paid call leaves. */
  | { readonly kind: 'submitting' }
  /** Somebody begins to probe it. */
  | { readonly kind: 'probing' }
  /** What the probe of the opening of this number found. */
  | { readonly kind: 'probed'; readonly opened: number; readonly isMended: boolean }
  /** It is judged anew. */
  | { readonly kind: 'reset' }

export interface Judge {
  readonly nowMs: number
  /** Null: no breaker ever opens. */
  readonly settings: BreakerSettings | null
}

/** What an event makes of it; the same object where it changes nothing. */
export function after(circuit: Circuit, event: CircuitEvent, judge: Judge): Circuit {
  const { nowMs, settings } = judge
  switch (event.kind) {
    case 'fault':
      return settings === null ? circuit : afterFault(circuit, event.fault, settings, nowMs)
    case 'success':
      // Open, it is a submit sent before, which says nothing of the next one.
      if (circuit.state === 'open' || (circuit.state === 'closed' && circuit.failuresInARow === 0)) return circuit
      return { ...CLOSED, opened: circuit.opened }
    case 'submitting':
      return circuit.state === 'half_open' ? { ...circuit, trialUntilMs: nowMs + TRIAL_MS } : circuit
    case 'probing':
      return isToBeProbed(circuit, nowMs) ? { ...circuit, probedUntilMs: nowMs + PROBE_MS } : circuit
    case 'probed':
      // Judged anew while it was probed.
      if (settings === null || circuit.state !== 'open' || circuit.opened !== event.opened) return circuit
      if (event.isMended) return { ...circuit, state: 'half_open', trialUntilMs: NEVER, probedUntilMs: NEVER }
      return opening(circuit, circuit.fault, settings, nowMs)
    case 'reset':
      return circuit.state === 'closed' && circuit.failuresInARow === 0 ? circuit : { ...CLOSED, opened: circuit.opened }
  }
}

/** Whether its cool-down is over and nobody probes it. */
const isToBeProbed = ({ state, untilMs, probedUntilMs }: Circuit, nowMs: number): boolean =>
  state === 'open' && untilMs <= nowMs && probedUntilMs <= nowMs

function afterFault(circuit: Circuit, fault: FailureCode, settings: BreakerSettings, nowMs: number): Circuit {
  const failed = { ...circuit, failuresInARow: circuit.failuresInARow + 1 }
  switch (circuit.state) {
    case 'closed': {
      const counter = new ConsecutiveBreaker(settings.faults)
      counter.state = circuit.failuresInARow
      return counter.failure() ? opening(failed, fault, settings, nowMs) : failed
    }
    case 'half_open':
      return opening(failed, fault, settings, nowMs)
    case 'open':
      return failed
  }
}

const opening = (circuit: Circuit, fault: FailureCode | null, { coolDownMs }: BreakerSettings, nowMs: number): Circuit => ({
  ...circuit,
  state: 'open',
  fault,
  opened: circuit.opened + 1,
  coolDowns: circuit.coolDowns + 1,
  untilMs: nowMs + durationOf(circuit.coolDowns, coolDownMs),
  probedUntilMs: NEVER,
})

/** Of a cool-down after so many others. */
function durationOf(before: number, coolDownMs: number): number {
  let coolDown = new ExponentialBackoff({ generator: noJitterGenerator, initialDelay: coolDownMs, maxDelay: MAX_COOL_DOWN_MS }).next()
  for (let count = 0; count < before && coolDown.duration < MAX_COOL_DOWN_MS; count++) coolDown = coolDown.next(undefined)
  return coolDown.duration
}
