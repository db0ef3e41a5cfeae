import type { Latency, Manifest } from '#contract'
import type { AttemptRecord, Route } from '../records.ts'

/** Samples kept for each offer, newest replacing oldest. */
const KEPT = 64
/** Below this many samples the manifest's cadence is used. */
const ENOUGH = 8
/** What one poll is worth in lateness: a schedule spends another poll only where it makes results seen this much sooner on average. */
const POLL_WORTH_MS = 200
/** Below this share a vendor's progress says little about the end. */
const USEFUL_PROGRESS = 0.1
/** The share of tasks that are done by the first poll where it also shows when the others will be. */
const FIRST_POLL_SHARE = 0.1
/** The golden ratio's fraction: multiples of it spread evenly over 0…1 however many are taken. */
const SPREAD = 0.618_033_988_75
/** An end that a callback reports is polled for only after this many times what is usual. */
const SAFETY_FACTOR = 3

/** How long each offer usually takes, and from that, when polling is worthwhile. */
export interface PollSchedule {
  /** A task was done at `byMs` after its submit at the latest, and not yet at `afterMs`, the poll before; both are the same where the end is known. Returns how long it is taken to have needed. */
  observe(provider: string, model: string, byMs: number, afterMs?: number): number
  /** Milliseconds from now to the next poll of a task submitted `elapsedMs` ago. `progress` (0…1) is the vendor's own estimate. */
  nextPollMs(provider: string, model: string, polling: Manifest['polling'], elapsedMs: number, progress: number | null): number
  /** Milliseconds from now to the next poll of a task whose end the vendor reports by a callback. */
  safetyNetMs(provider: string, model: string, polling: Manifest['polling']): number
  latency(provider: string, model: string): Latency | null
  /** Begins to learn anew. */
  forget(): void
}

interface Samples {
  readonly ring: number[]
  next: number
  seen: number
  /** The vendor reports progress, so an early poll pays: it says when the end will be. */
  reportsProgress: boolean
  /** Ascending poll times after submit, and the latency; rebuilt when asked for after samples came in. */
  schedule: readonly number[] | null
  sorted: readonly number[] | null
}

export function createPollSchedule(): PollSchedule {
  /** By provider, then by model. */
  const offers = new Map<string, Map<string, Samples>>()

  function samplesOf(provider: string, model: string): Samples {
    const known = offers.get(provider)?.get(model)
    if (known) return known
    const samples = { ring: [], next: 0, seen: 0, reportsProgress: false, schedule: null, sorted: null }
    offers.set(provider, (offers.get(provider) ?? new Map<string, Samples>()).set(model, samples))
    return samples
  }

  function latency(provider: string, model: string): Latency | null {
    const samples = offers.get(provider)?.get(model)
    return samples === undefined || samples.ring.length === 0
      ? null
      : { p50: quantile(samples, 0.5), p95: quantile(samples, 0.95), samples: samples.ring.length }
  }

  return {
    observe(provider, model, byMs, afterMs = byMs) {
      const samples = samplesOf(provider, model)
      samples.seen++
      // Somewhere between the two polls: spread evenly, so that a schedule of late polls does not take its own lateness for the vendor's.
      const ms = afterMs + (byMs - afterMs) * ((samples.seen * SPREAD) % 1)
      samples.ring[samples.next] = ms
      samples.next = (samples.next + 1) % KEPT
      // A quarter of the samples may be newer than what was computed from them: sorting at every one would cost more than it shows.
      if (samples.ring.length < KEPT || samples.next % (KEPT / 4) === 0) samples.schedule = samples.sorted = null
      return ms
    },

    nextPollMs(provider, model, polling, elapsedMs, progress) {
      const clamp = (ms: number) => Math.min(polling.max_ms, Math.max(polling.min_ms, Math.round(ms)))
      const samples = samplesOf(provider, model)
      if (progress !== null) samples.reportsProgress = true
      // Half way at 2 s means done at about 4 s. Such a poll is aimed, so it may come sooner than a blind one.
      if (progress !== null && progress >= USEFUL_PROGRESS && progress < 1) {
        const remainingMs = (elapsedMs / progress - elapsedMs) * 1.02 + 20
        return Math.min(polling.max_ms, Math.max(polling.min_ms / 4, Math.round(remainingMs)))
      }
      if (samples.ring.length < ENOUGH) return clamp(elapsedMs === 0 ? polling.first_ms : elapsedMs * 0.3)
      if (samples.reportsProgress && elapsedMs === 0) return Math.max(polling.min_ms / 2, quantile(samples, FIRST_POLL_SHARE))
      samples.schedule ??= bestSchedule(sortedOf(samples))
      const at = samples.schedule.find((time) => time > elapsedMs + polling.min_ms / 2)
      // Later than ever seen: poll ever more rarely.
      return at === undefined ? clamp(elapsedMs * 0.2) : Math.max(1, Math.round(at - elapsedMs))
    },

    safetyNetMs(provider, model, polling) {
      const usualMs = latency(provider, model)?.p95 ?? polling.max_ms
      return Math.max(polling.max_ms, SAFETY_FACTOR * usualMs)
    },

    latency,
    forget: () => offers.clear(),
  }
}

/**
 * The poll times that would have served these durations best: the least sum of lateness plus `POLL_WORTH_MS` for each poll made.
 * Dynamic programming from the longest duration down; `sorted` is ascending. O(n²) for at most `KEPT` samples.
 */
export function bestSchedule(sorted: readonly number[]): readonly number[] {
  const count = sorted.length
  const cost: number[] = Array.from({ length: count + 1 }, () => 0)
  const reach: number[] = Array.from({ length: count }, () => count - 1)
  for (let first = count - 1; first >= 0; first--) {
    let best = Number.POSITIVE_INFINITY
    let sum = 0
    for (let last = first; last < count; last++) {
      const at = sorted[last] ?? 0
      sum += at
      const lateness = at * (last - first + 1) - sum
      const total = lateness + POLL_WORTH_MS * (count - first) + (cost[last + 1] ?? 0)
      if (total < best) {
        best = total
        reach[first] = last
      }
    }
    cost[first] = best
  }
  const times: number[] = []
  for (let first = 0; first < count;) {
    const last = reach[first] ?? count - 1
    times.push((sorted[last] ?? 0) + 5)
    first = last + 1
  }
  return times
}

/** Learns from a finished task: it ended between the last poll at which it was unfinished and the one that found it done. */
export function observeDuration(pollSchedule: Pick<PollSchedule, 'observe'>, route: Route, attempt: AttemptRecord): void {
  const { submittedAt, readyAt, unfinishedAt, polls } = attempt
  if (submittedAt === null || readyAt === null) return
  const byMs = readyAt - submittedAt
  // Without a poll the submit's own reply gave the end, at once.
  const afterMs = polls === 0 ? byMs : (unfinishedAt ?? submittedAt) - submittedAt
  // A wall clock that was set, and set right again before the end, or one of a row that an earlier version wrote.
  if (byMs < 0 || afterMs < 0 || afterMs > byMs) return
  pollSchedule.observe(route.provider, route.model, byMs, afterMs)
}

function sortedOf(samples: Samples): readonly number[] {
  samples.sorted ??= samples.ring.toSorted((a, b) => a - b)
  return samples.sorted
}

function quantile(samples: Samples, share: number): number {
  const sorted = sortedOf(samples)
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)
}
