import type { Latency, Manifest } from '#contract'

/** Samples kept for each offer, newest replacing oldest. */
const KEPT = 64
/** Below this many samples the manifest's cadence is used. */
const ENOUGH = 8
/** What one poll is worth in lateness: a schedule spends another poll only where it makes results seen this much sooner on average. */
const POLL_WORTH_MS = 150

/** How long each offer usually takes, and from that, when looking is worthwhile. */
export interface Pace {
  observe(provider: string, model: string, durationMs: number): void
  /** Milliseconds from now to the next look at a task submitted `elapsedMs` ago. `progress` (0…1) is the vendor's own estimate. */
  nextLookMs(provider: string, model: string, polling: Manifest['polling'], elapsedMs: number, progress: number | null): number
  latency(provider: string, model: string): Latency | null
}

interface Samples {
  readonly ring: number[]
  next: number
  /** Ascending poll times after submit, and the latency; rebuilt when asked for after samples came in. */
  schedule: readonly number[] | null
  latency: Latency | null
}

export function createPace(): Pace {
  const offers = new Map<string, Samples>()
  const key = (provider: string, model: string) => `${provider}/${model}`

  function scheduleOf(samples: Samples): readonly number[] {
    samples.schedule ??= bestSchedule(samples.ring.toSorted((a, b) => a - b))
    return samples.schedule
  }

  return {
    observe(provider, model, durationMs) {
      const id = key(provider, model)
      let samples = offers.get(id)
      if (!samples) offers.set(id, (samples = { ring: [], next: 0, schedule: null, latency: null }))
      samples.ring[samples.next] = durationMs
      samples.next = (samples.next + 1) % KEPT
      // A quarter of the samples may be newer than what was computed from them: sorting on every sample would cost more than it tells.
      if (samples.ring.length < ENOUGH || samples.next % (KEPT / 4) === 0) samples.schedule = samples.latency = null
    },

    nextLookMs(provider, model, polling, elapsedMs, progress) {
      const clamp = (ms: number) => Math.min(polling.max_ms, Math.max(polling.min_ms, Math.round(ms)))
      // Half way at 2 s means done at about 4 s; too early an estimate says little.
      if (progress !== null && progress >= 0.15 && progress < 1) return clamp((elapsedMs / progress) * 1.02 - elapsedMs)
      const samples = offers.get(key(provider, model))
      if (!samples || samples.ring.length < ENOUGH) return clamp(elapsedMs === 0 ? polling.first_ms : elapsedMs * 0.3)
      const at = scheduleOf(samples).find((time) => time > elapsedMs + polling.min_ms / 2)
      // Later than ever seen: look ever more rarely.
      return at === undefined ? clamp(elapsedMs * 0.2) : Math.max(1, Math.round(at - elapsedMs))
    },

    latency(provider, model) {
      const samples = offers.get(key(provider, model))
      if (!samples || samples.ring.length === 0) return null
      samples.latency ??= latencyOf(samples.ring.toSorted((a, b) => a - b))
      return samples.latency
    },
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

function latencyOf(sorted: readonly number[]): Latency {
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0)
  return { p50: at(0.5), p95: at(0.95) }
}
