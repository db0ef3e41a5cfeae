import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bestSchedule, createPollSchedule } from '../../../src/core/scheduling/poll-schedule.ts'

const polling = { first_ms: 1_000, min_ms: 250, max_ms: 5_000 }

/** Polls made and lateness of one task under a pace. */
function follow(pace: ReturnType<typeof createPollSchedule>, durationMs: number) {
  let at = 0
  let polls = 0
  while (at < durationMs) {
    at += pace.nextPollMs('p', 'm', polling, at, null)
    polls++
  }
  return { polls, lateMs: at - durationMs }
}

describe('before anything is measured', () => {
  test('the first poll is when the manifest says, and later polls are ever rarer within its bounds', () => {
    const pace = createPollSchedule()
    expect(pace.nextPollMs('p', 'm', polling, 0, null)).toBe(1_000)
    expect(pace.nextPollMs('p', 'm', polling, 1_000, null)).toBe(300)
    expect(pace.nextPollMs('p', 'm', polling, 100_000, null)).toBe(5_000)
    expect(pace.latency('p', 'm')).toBeNull()
  })
})

describe('polls with measured durations', () => {
  test('a task that takes what it always takes needs one poll, at the end', () => {
    const pace = createPollSchedule()
    for (let i = 0; i < 20; i++) pace.observe('p', 'm', 3_000 + (i % 3))
    expect(follow(pace, 3_001)).toMatchObject({ polls: 1 })
    expect(follow(pace, 3_001).lateMs).toBeLessThan(20)
  })

  test('a task later than any before is polled ever more rarely, but always again', () => {
    const pace = createPollSchedule()
    for (let i = 0; i < 20; i++) pace.observe('p', 'm', 1_000)
    const { polls, lateMs } = follow(pace, 60_000)
    expect(polls).toBeLessThan(30)
    expect(lateMs).toBeLessThanOrEqual(5_000)
  })

  test('the vendor’s own progress says when it will be done', () => {
    const pace = createPollSchedule()
    expect(pace.nextPollMs('p', 'm', polling, 2_000, 0.5)).toBe(2_060)
  })

  test('latency is the median and the 95th percentile', () => {
    const pace = createPollSchedule()
    for (let i = 1; i <= 60; i++) pace.observe('p', 'm', i * 100)
    expect(pace.latency('p', 'm')).toEqual({ p50: 3_100, p95: 5_800, samples: 60 })
  })
})

describe('the best schedule', () => {
  const durations = fc
    .array(fc.integer({ min: 100, max: 60_000 }), { minLength: 1, maxLength: 64 })
    .map((list) => list.toSorted((a, b) => a - b))

  test('is ascending, and its last poll comes after the longest duration', () => {
    fc.assert(
      fc.property(durations, (sorted) => {
        const times = bestSchedule(sorted)
        expect(times.toSorted((a, b) => a - b)).toEqual(times)
        expect(times.at(-1)).toBeGreaterThanOrEqual(sorted.at(-1) ?? 0)
      }),
      { seed: 7 },
    )
  })

  test('costs no more than any fixed interval, lateness and polls taken together', () => {
    const cost = (times: readonly number[], sorted: readonly number[]) =>
      sorted.reduce((sum, duration) => {
        const index = times.findIndex((time) => time >= duration)
        return sum + ((times[index] ?? 0) - duration) + 150 * (index + 1)
      }, 0)
    fc.assert(
      fc.property(durations, fc.integer({ min: 250, max: 3_000 }), (sorted, interval) => {
        const fixed = Array.from({ length: Math.ceil((sorted.at(-1) ?? 0) / interval) }, (_, i) => (i + 1) * interval)
        expect(cost(bestSchedule(sorted), sorted)).toBeLessThanOrEqual(cost(fixed, sorted) + 5 * sorted.length)
      }),
      { seed: 7 },
    )
  })
})

describe('a schedule that only sees what it polls', () => {
  /** Durations spread from 2.5 to 10 s; the schedule learns only what its polls show. */
  function live(reportsProgress: boolean) {
    const pace = createPollSchedule()
    const seen: { polls: number; lateMs: number }[] = []
    for (let task = 0; task < 600; task++) {
      const durationMs = 5_000 * 2 ** ((2 * ((task * 7919) % 600)) / 600 - 1)
      let at = 0
      let unfinishedAt = 0
      let polls = 0
      while (at < durationMs) {
        unfinishedAt = at
        at += pace.nextPollMs('p', 'm', polling, at, reportsProgress && at > 0 ? at / durationMs : null)
        polls++
      }
      pace.observe('p', 'm', at, unfinishedAt)
      seen.push({ polls, lateMs: at - durationMs })
    }
    const late = seen.slice(100)
    return {
      polls: late.reduce((sum, one) => sum + one.polls, 0) / late.length,
      lateMs: late.reduce((sum, one) => sum + one.lateMs, 0) / late.length,
    }
  }

  test('does not drift into polling ever later', () => {
    const { polls, lateMs } = live(false)
    // Polling every 1.5 s makes 4.1 polls and is 750 ms late on these durations.
    expect(polls).toBeLessThan(4.1)
    expect(lateMs).toBeLessThan(750)
  })

  test('of a vendor that reports progress makes fewer polls than polling every 1.5 s and is less late than polling every 0.5 s', () => {
    const { polls, lateMs } = live(true)
    expect(polls).toBeLessThan(4.1)
    expect(lateMs).toBeLessThan(250)
  })
})
