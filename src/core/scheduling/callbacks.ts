import type { Call } from '#contract'
import type { ActiveProvider, Ports } from '../ports.ts'
import type { AttemptRecord } from '../records.ts'
import type { PollSchedule } from './poll-schedule.ts'

/** What a vendor's callbacks about one attempt have caused so far. */
export interface CallbackState {
  /** Polls made sooner than planned. */
  early: number
  /** One came while a call was on its way: its reply may be from before. */
  isUnheard: boolean
  /** It was polled once more after every image was reported: the vendor's callback may run ahead of its own records. */
  isConfirmed: boolean
  /** An early poll is planned already. */
  isPlanned: boolean
}

/** Who keeps it; null until it is needed, since most of thousands of open attempts are at providers that are polled. */
export interface HearsCallbacks {
  callbacks: CallbackState | null
}

const stateOf = (track: HearsCallbacks): CallbackState =>
  (track.callbacks ??= { early: 0, isUnheard: false, isConfirmed: false, isPlanned: false })

/** Whether a provider's callbacks reach us. Several ends in a row that were found without one say they do not, until the next one arrives. */
export interface CallbackTrust {
  isTrusted(provider: string): boolean
  /** A genuine callback came, however late. */
  arrived(provider: string): void
  /** An end was found that no callback had reported. */
  missed(provider: string): void
}

const MISSES_IN_A_ROW = 3

export function createCallbackTrust(onLost: (provider: string) => void): CallbackTrust {
  const misses = new Map<string, number>()
  return {
    isTrusted: (provider) => (misses.get(provider) ?? 0) < MISSES_IN_A_ROW,
    arrived: (provider) => void misses.delete(provider),
    missed(provider) {
      const count = (misses.get(provider) ?? 0) + 1
      misses.set(provider, count)
      if (count === MISSES_IN_A_ROW) onLost(provider)
    },
  }
}

interface Awaiting {
  readonly ports: Pick<Ports, 'hooks'>
  readonly trust: CallbackTrust
  readonly pollSchedule: Pick<PollSchedule, 'safetyNetMs'>
}

/**
 * When an unfinished task is polled next: this alone decides between polling and waiting for a callback. A task whose end is
 * reported is polled early once for each image, once more to be sure, and otherwise by the safety net.
 * @param asked what the vendor asks for, and the next call
 * @param usualMs what the poll schedule finds worthwhile
 * @returns milliseconds from now
 */
export function nextPollMs(
  awaiting: Awaiting,
  { images }: AttemptRecord,
  track: HearsCallbacks,
  { id, manifest }: ActiveProvider,
  model: string,
  { afterMs, next }: { readonly afterMs: number | null; readonly next: Call },
  usualMs: () => number,
): number {
  const isAwaitedHere = manifest.models[model]?.webhook !== false && isAwaited(awaiting, id)
  if (next.purpose === 'recover' || !isAwaitedHere) return afterMs ?? usualMs()
  const { polling } = manifest
  const state = stateOf(track)
  if (state.isUnheard && state.early < images) {
    state.isUnheard = false
    state.early++
    return afterMs ?? 0
  }
  if (!state.isConfirmed && state.early >= images) {
    state.isConfirmed = true
    return Math.max(afterMs ?? 0, polling.min_ms)
  }
  return Math.max(afterMs ?? 0, awaiting.pollSchedule.safetyNetMs(id, model, polling))
}

/** Whether the end of a task was found by the safety net alone; then how long it took is not known, only that it was shorter. */
export function wasFoundLate(awaiting: Awaiting, track: HearsCallbacks, provider: string, call: Call): boolean {
  if (call.purpose !== 'poll' || !isAwaited(awaiting, provider)) return false
  const { early, isUnheard } = stateOf(track)
  if (early > 0 || isUnheard) return false
  awaiting.trust.missed(provider)
  return true
}

/**
 * A vendor says that an attempt has news. Nothing it says is believed; what an authenticated poll finds is. The answer is whether to poll
 * now: once for each image at most, and not while a call is on its way.
 */
export function isWorthPolling(track: HearsCallbacks, images: number, isPolling: boolean): boolean {
  const state = stateOf(track)
  if (isPolling) {
    state.isUnheard = true
    return false
  }
  if (state.isPlanned || state.early >= images) return false
  state.isPlanned = true
  state.early++
  return true
}

/** The early poll that was planned is on its way. */
export function pollBegins({ callbacks }: HearsCallbacks): void {
  if (callbacks !== null) callbacks.isPlanned = false
}

const isAwaited = ({ ports, trust }: Awaiting, provider: string): boolean =>
  (ports.hooks?.isOn(provider) ?? false) && trust.isTrusted(provider)
