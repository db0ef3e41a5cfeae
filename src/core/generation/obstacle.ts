import type { Failure } from '#contract'
import type { AttemptRecord } from '../records.ts'
import { later, type Next } from './next.ts'
import { providerOf, routeOf, type AttemptTrack, type Core, type OpenGeneration } from './open-generation.ts'

/** How often a task that waits for a paused provider asks whether it is still paused. */
const ASK_AGAIN_MS = 5_000

export const unbilled = (code: Failure['code'], message: string): Failure => ({ code, message, billed: false })

/** Why the task cannot be bought at this moment: a failure, after which the next route is tried, or what to wait for; null where it can. */
export function obstacleTo(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  track: AttemptTrack,
  hasSlot: boolean,
): Next | { readonly failure: Failure } | null {
  const { provider } = routeOf(open.record, attempt)
  const nowMs = core.ports.clock.monotonicMs()
  const remainingMs = track.deadlineAtMs - nowMs
  const availability = core.ports.settings.availability(provider)
  const { pausedMs } = core.slots.state(provider)
  if (availability.kind === 'off') return { failure: unbilled('provider_unavailable', availability.reason) }
  if (hasSlot && availability.kind === 'open' && pausedMs === 0) return null
  const others = otherRoutes(open, attempt)
  if (availability.kind === 'paused') {
    if (others.length > 0 || remainingMs <= 0) return { failure: unbilled('provider_unavailable', availability.reason) }
    return later(Math.min(availability.retryAfterMs, ASK_AGAIN_MS, remainingMs))
  }
  if (pausedMs > 0) {
    const message = `${provider} is rate limited for another ${Math.ceil(pausedMs / 1000)} s`
    if (others.length > 0 || pausedMs > remainingMs)
      return { failure: { ...unbilled('rate_limited', message), retry_after_ms: Math.ceil(pausedMs) } }
    return later(pausedMs)
  }
  return waitForSlot(core, open, attempt, { waitedMs: nowMs - track.sinceMs, remainingMs, others })
}

/** A full provider keeps a task for a moment; then a route with a free slot is taken, if there is one. */
function waitForSlot(
  core: Core,
  open: OpenGeneration,
  attempt: AttemptRecord,
  { waitedMs, remainingMs, others }: { readonly waitedMs: number; readonly remainingMs: number; readonly others: readonly string[] },
): Next | { readonly failure: Failure } {
  const { provider } = routeOf(open.record, attempt)
  const { slotWaitMs } = core.ports.settings
  const limit = providerOf(core, open.record, attempt)?.maxInFlight ?? 0
  const isFree = (other: string) => core.ports.settings.availability(other).kind === 'open' && core.slots.state(other).free > 0
  const elsewhere = waitedMs >= slotWaitMs ? others.find(isFree) : undefined
  if (elsewhere === undefined && remainingMs > 0) {
    return {
      kind: 'slot',
      patienceMs: others.length === 0 ? remainingMs : Math.min(remainingMs, Math.max(slotWaitMs - waitedMs, slotWaitMs / 4)),
    }
  }
  const message = `no free slot at ${provider} within ${Math.round(waitedMs / 100) / 10} s (max_in_flight ${limit})`
  return { failure: unbilled('rate_limited', elsewhere === undefined ? message : `${message}; ${elsewhere} has one`) }
}

/** The providers that may still be tried for this task; none where a sibling is already bought here. */
function otherRoutes(open: OpenGeneration, attempt: AttemptRecord): readonly string[] {
  const { routes, attempts } = open.record
  const isBoughtHere = attempts.some(
    (other) => other.route === attempt.route && other !== attempt && other.submittedAt !== null && !other.retried,
  )
  if (isBoughtHere) return []
  return routes.slice(attempt.route + 1).flatMap(({ provider, fidelity }) => (fidelity === 'far' ? [] : [provider]))
}
