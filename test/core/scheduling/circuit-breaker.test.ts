import { describe, expect, test } from 'vitest'
import type { FailureCode } from '#contract'
import { createBreakers } from '../../../src/core/scheduling/circuit-breaker.ts'
import type { BreakerSettings } from '../../../src/core/scheduling/circuit-breaker.ts'

const COOL_DOWN_MS = 30_000

/** Stands still until time passes; its wall clock can be set. Its timers may be early, as those of a process are by parts of a millisecond. */
function manualClock(earlyMs = 0) {
  let monotonicMs = 5_000
  let wallMs = Date.parse('2026-11-27T10:00:00Z')
  const timers = new Set<{ readonly atMs: number; readonly callback: () => void }>()
  return {
    now: () => wallMs,
    setWallBy: (ms: number) => void (wallMs += ms),
    monotonicMs: () => monotonicMs,
    after(delayMs: number, callback: () => void) {
      const timer = { atMs: monotonicMs + delayMs - earlyMs, callback }
      timers.add(timer)
      return () => void timers.delete(timer)
    },
    async pass(ms: number) {
      monotonicMs += ms
      wallMs += ms
      for (const timer of timers) {
        if (timer.atMs > monotonicMs) continue
        timers.delete(timer)
        timer.callback()
      }
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

interface WorldOptions {
  readonly settings?: BreakerSettings | null
  /** What each probe finds; the last ones find it mended. */
  readonly mended?: readonly boolean[]
  readonly earlyMs?: number
}

function world({ settings = { faults: 3, coolDownMs: COOL_DOWN_MS }, mended = [], earlyMs = 0 }: WorldOptions = {}) {
  const clock = manualClock(earlyMs)
  const probes: { provider: string; fault: FailureCode }[] = []
  const breakers = createBreakers({
    clock,
    log: { warn() {}, info() {} },
    settings: () => settings,
    async probe(provider, fault) {
      probes.push({ provider, fault })
      return mended[probes.length - 1] ?? true
    },
  })
  const answers = (...codes: readonly (FailureCode | null)[]) => {
    for (const code of codes) breakers.observer.submitted('alpha', code)
  }
  const open = () => answers('provider_unavailable', 'provider_unavailable', 'provider_unavailable')
  return { clock, breakers, probes, answers, open, state: () => breakers.state('alpha'), pause: () => breakers.pause('alpha') }
}

describe('a closed breaker', () => {
  test.each(['provider_unavailable', 'provider_timeout', 'bad_reply', 'provider_unauthorized', 'insufficient_credit'] as const)(
    'opens on %s three times in a row, and says until when',
    (code) => {
      const { answers, state, pause, clock } = world()
      answers(code, code)
      expect([state(), pause()]).toEqual(['closed', null])
      answers(code)
      const until = new Date(clock.now() + COOL_DOWN_MS).toISOString()
      expect([state(), pause()]).toEqual(['open', { reason: `breaker open until ${until}.`, retryAfterMs: COOL_DOWN_MS }])
    },
  )

  test.each(['rate_limited', 'internal', 'invalid_request', 'canceled'] as const)(
    'does not count %s, which is not the provider’s fault',
    (code) => {
      const { answers, state } = world()
      answers(code, code, code, code, code)
      expect(state()).toBe('closed')
    },
  )

  test.each([
    'provider_unavailable',
    'provider_unauthorized',
    'provider_timeout',
    'bad_reply',
    'outcome_unknown',
    'result_expired',
  ] as const)('does not count a task that was taken and ended with %s: polls and downloads open no breaker', (code) => {
    const { breakers, state } = world()
    for (let i = 0; i < 10; i++) breakers.observer.taskEnded({ provider: 'alpha', model: 'm', code, durationMs: null, polls: 3 })
    expect(state()).toBe('closed')
  })

  test.each([null, 'moderated', 'provider_rejected'] as const)(
    'begins to count anew after %s, which shows the provider at work',
    (code) => {
      const { answers, state } = world()
      answers('bad_reply', 'bad_reply', code, 'bad_reply', 'bad_reply')
      expect(state()).toBe('closed')
    },
  )

  test('counts a submit whose reply never came', () => {
    const { answers, state } = world()
    answers('outcome_unknown', 'outcome_unknown')
    expect(state()).toBe('closed')
    answers('outcome_unknown')
    expect(state()).toBe('open')
  })

  test('is each provider’s own', () => {
    const { breakers, open } = world()
    open()
    expect([breakers.state('beta'), breakers.pause('beta')]).toEqual(['closed', null])
  })

  test('never opens where it is switched off', () => {
    const { open, state, pause } = world({ settings: null })
    open()
    expect([state(), pause()]).toEqual(['closed', null])
  })
})

describe('an open breaker', () => {
  test('is probed also where its timer is early', async () => {
    const { open, clock, probes } = world({ earlyMs: 0.4 })
    open()
    await clock.pass(COOL_DOWN_MS - 0.4)
    expect(probes).toEqual([])
    await clock.pass(1)
    expect(probes).toHaveLength(1)
  })

  test('ignores what comes of submits that were sent before', () => {
    const { open, answers, state } = world()
    open()
    answers(null, 'bad_reply', null)
    expect(state()).toBe('open')
  })

  test('probes once when the cool-down is over, with the fault that opened it', async () => {
    const { clock, open, probes, state } = world()
    open()
    await clock.pass(COOL_DOWN_MS - 1)
    expect(probes).toEqual([])
    await clock.pass(1)
    expect(probes).toEqual([{ provider: 'alpha', fault: 'provider_unavailable' }])
    expect(state()).toBe('half_open')
  })

  test('stays open twice as long after each probe in vain, ten minutes at most', async () => {
    const { clock, open, probes, state } = world({ mended: Array<boolean>(20).fill(false) })
    open()
    for (const [index, waitMs] of [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000].entries()) {
      await clock.pass(waitMs - 1)
      expect(probes).toHaveLength(index)
      await clock.pass(1)
      expect([probes.length, state()]).toEqual([index + 1, 'open'])
    }
  })

  test('is closed when the operator changes its provider, and its probe no longer matters', async () => {
    const { clock, breakers, open, state, probes } = world()
    open()
    breakers.reset('beta')
    expect(state()).toBe('open')
    breakers.reset('alpha')
    expect(state()).toBe('closed')
    await clock.pass(COOL_DOWN_MS)
    expect(probes).toEqual([])
  })

  test('waits the same whatever the wall clock does, and says a time the wall clock will come to', async () => {
    const { clock, open, pause, probes } = world()
    open()
    for (const jumpMs of [-3_600_000, 7_200_000]) {
      clock.setWallBy(jumpMs)
      const until = new Date(clock.now() + COOL_DOWN_MS).toISOString()
      expect(pause()).toEqual({ reason: `breaker open until ${until}.`, retryAfterMs: COOL_DOWN_MS })
    }
    await clock.pass(COOL_DOWN_MS)
    expect(probes).toHaveLength(1)
  })
})

describe('a half open breaker', () => {
  const halfOpen = async () => {
    const all = world()
    all.open()
    await all.clock.pass(COOL_DOWN_MS)
    return all
  }

  test('lets one task through and holds back the others until it has ended', async () => {
    const { breakers, answers, pause, state } = await halfOpen()
    expect(pause()).toBeNull()
    breakers.submitting('alpha')
    expect(pause()).toEqual({ reason: 'breaker half open: one request is trying whether it works again.', retryAfterMs: 1_000 })
    answers(null)
    expect([state(), pause()]).toEqual(['closed', null])
  })

  test('opens again, for longer, at the first fault', async () => {
    const { breakers, answers, pause, state } = await halfOpen()
    breakers.submitting('alpha')
    answers('provider_unavailable')
    expect([state(), pause()?.retryAfterMs]).toEqual(['open', 2 * COOL_DOWN_MS])
  })

  test('lets another task try where the first has no result for a minute', async () => {
    const { breakers, clock, pause } = await halfOpen()
    breakers.submitting('alpha')
    await clock.pass(59_999)
    expect(pause()).not.toBeNull()
    await clock.pass(1)
    expect(pause()).toBeNull()
  })

  test('once closed, forgets how long it was open', async () => {
    const { answers, open, pause } = await halfOpen()
    answers(null)
    open()
    expect(pause()?.retryAfterMs).toBe(COOL_DOWN_MS)
  })
})
