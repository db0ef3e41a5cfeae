import type { Call } from '#contract'
import type { AttemptRecord } from '../records.ts'
import { routeOf } from '../generation/context.ts'
import type { OpenGeneration, RunContext } from '../generation/context.ts'
import type { ActiveProvider } from '../ports.ts'

/** What a vendor's tellings of one attempt have cost so far. */
export interface CallbackState {
  /** Looks made sooner than planned. */
  early: number
  /** One came while a call was on its way: its reply may be from before. */
  isUnheard: boolean
  /** It was looked at once more after every image was told of: the vendor's word may run ahead of its own records. */
  isConfirmed: boolean
  /** Takes back the early look that is planned; null where none is. */
  planned: (() => void) | null
}

/** Whether a provider's tellings reach us. Several ends in a row that were found without one say they do not, until the next one arrives. */
export interface HookTrust {
  isTrusted(provider: string): boolean
  /** A genuine telling came, however late. */
  arrived(provider: string): void
  /** An end was found that had not been told. */
  missed(provider: string): void
}

const MISSES_IN_A_ROW = 3

export function createHookTrust(onLost: (provider: string) => void): HookTrust {
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

/**
 * Plans the next look at an unfinished task: the one place that decides between polling and waiting to be told. A task whose end is told
 * is looked at early once for each image, once more to be sure, and otherwise by the safety net.
 * @param afterMs what the vendor asks for, or null
 * @param usualMs what the pace finds worthwhile
 * @returns milliseconds from now
 */
export function nextPollMs(
  context: RunContext,
  open: OpenGeneration,
  attempt: AttemptRecord,
  provider: ActiveProvider,
  next: Call,
  afterMs: number | null,
  usualMs: () => number,
): number {
  const state = open.hints?.get(attempt.id)
  if (next.purpose === 'recover' || !isAwaited(context, provider.id)) return afterMs ?? usualMs()
  const { polling } = provider.manifest
  if (state?.isUnheard && state.early < attempt.images) {
    state.isUnheard = false
    state.early++
    return afterMs ?? 0
  }
  if (state && !state.isConfirmed && state.early >= attempt.images) {
    state.isConfirmed = true
    return Math.max(afterMs ?? 0, polling.min_ms)
  }
  const { model } = routeOf(open.record, attempt)
  return Math.max(afterMs ?? 0, context.pace.safetyNetMs(provider.id, model, polling))
}

/** Whether the end of a task was found by the safety net alone; then how long it took is not known, only that it was shorter. */
export function wasFoundLate(context: RunContext, open: OpenGeneration, attempt: AttemptRecord, provider: string, call: Call): boolean {
  if (call.purpose !== 'poll' || !isAwaited(context, provider)) return false
  const state = open.hints?.get(attempt.id)
  if (state && (state.early > 0 || state.isUnheard)) return false
  context.trust.missed(provider)
  return true
}

const isAwaited = (context: RunContext, provider: string): boolean =>
  (context.ports.hooks?.isOn(provider) ?? false) && context.trust.isTrusted(provider)

/** What was told of the attempt so far. */
export function callbacksOf(open: OpenGeneration, attempt: AttemptRecord): CallbackState {
  open.hints ??= new Map()
  let state = open.hints.get(attempt.id)
  if (!state) open.hints.set(attempt.id, (state = { early: 0, isUnheard: false, isConfirmed: false, planned: null }))
  return state
}
