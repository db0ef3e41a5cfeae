import { describe, expect, test } from 'vitest'
import type { Availability, Sent } from '../../../src/core/ports.ts'
import { createWorld, done, failed, onDisk, planned, runFor, settled } from './world.ts'

const never = () => new Promise<Sent>(() => {})
const delivered = () => done('https://cdn.example/1.jpg')

describe('a full provider', () => {
  test('keeps a task for slot_wait_ms, then another with a free slot gets it', async () => {
    const world = createWorld({ maxInFlight: 1, script: (_, provider) => (provider === 'alpha' ? never() : delivered()) })
    await runFor(world, planned(['alpha']), 0)
    const record = planned(['alpha', 'beta'])
    expect((await runFor(world, record, 1_900)).status).toBe('queued')
    await world.clock.pass(700)
    expect(await onDisk(world, record.id)).toMatchObject({
      status: 'succeeded',
      routeIndex: 1,
      attempts: [
        { error: { code: 'rate_limited', billed: false, message: 'no free slot at alpha within 2 s (max_in_flight 1); beta has one' } },
        {},
      ],
    })
  })

  test('keeps a task as long as every other is full or would deliver something far from the request', async () => {
    const world = createWorld({ maxInFlight: 1, script: never })
    await runFor(world, planned(['alpha']), 0)
    await runFor(world, planned(['beta']), 0)
    const far = planned(['alpha', 'gamma'])
    const record = { ...far, routes: far.routes.map((route, index) => (index === 1 ? { ...route, fidelity: 'far' as const } : route)) }
    await world.run.accept(record, null)
    const full = planned(['alpha', 'beta'])
    expect((await runFor(world, full, 20_000)).status).toBe('queued')
    expect((await onDisk(world, record.id)).status).toBe('queued')
  })

  test('gives its slots in turns between gateway keys', async () => {
    const answers: ((sent: Sent) => void)[] = []
    const world = createWorld({ maxInFlight: 1, script: () => new Promise((resolve) => answers.push(resolve)) })
    for (let task = 0; task < 5; task++) await world.run.accept({ ...planned(['alpha']), key: 'busy' }, null)
    const record = { ...planned(['alpha']), key: 'quiet' }
    await world.run.accept(record, null)
    await settled()
    for (const turn of [0, 1, 2]) {
      answers[turn]?.(delivered())
      await settled()
    }
    expect((await onDisk(world, record.id)).status).toBe('succeeded')
  })
})

describe('a provider that is not available', () => {
  function switching(script: () => Sent | Promise<Sent> = delivered) {
    const state: { alpha: Availability } = { alpha: { kind: 'open' } }
    const world = createWorld({
      maxInFlight: 1,
      script: (_, provider) => (provider === 'alpha' ? script() : delivered()),
      availability: (provider) => (provider === 'alpha' ? state.alpha : { kind: 'open' }),
    })
    return { world, state }
  }

  test('because it was switched off while a task waited for its slot is not bought from', async () => {
    const answers: ((sent: Sent) => void)[] = []
    const { world, state } = switching(() => new Promise((resolve) => answers.push(resolve)))
    await runFor(world, planned(['alpha']), 0)
    const [elsewhere, nowhere] = [planned(['alpha', 'beta']), planned(['alpha'])]
    await world.run.accept(elsewhere, null)
    await world.run.accept(nowhere, null)
    await settled()
    state.alpha = { kind: 'off', reason: 'disabled in the configuration' }
    world.run.settingsChanged()
    await world.clock.pass(100)
    expect(await onDisk(world, elsewhere.id)).toMatchObject({ status: 'succeeded', routeIndex: 1 })
    expect(await onDisk(world, nowhere.id)).toMatchObject({ error: { code: 'provider_unavailable', billed: false } })
    expect(world.calls.filter(({ provider }) => provider === 'alpha')).toHaveLength(1)
  })

  test('because its breaker opened makes the next provider’s turn for all who wait', async () => {
    const answers: ((sent: Sent) => void)[] = []
    const { world, state } = switching(() => new Promise((resolve) => answers.push(resolve)))
    await runFor(world, planned(['alpha']), 0)
    const waiting = Array.from({ length: 10 }, () => planned(['alpha', 'beta']))
    for (const record of waiting) await world.run.accept(record, null)
    await settled()
    state.alpha = { kind: 'paused', reason: 'it failed too often', retryAfterMs: 30_000 }
    answers[0]?.(failed('provider_unavailable', 'unknown', { provider_status: 500 }))
    await world.clock.pass(2_000)
    const ends = await Promise.all(waiting.map(({ id }) => onDisk(world, id)))
    expect(new Set(ends.map(({ status, routeIndex }) => `${status} ${routeIndex}`))).toEqual(new Set(['succeeded 1']))
    expect(world.calls.filter(({ provider }) => provider === 'alpha')).toHaveLength(1)
  })

  test('for a while, and is the only one, is waited for and asked again', async () => {
    const { world, state } = switching()
    state.alpha = { kind: 'paused', reason: 'it failed too often', retryAfterMs: 8_000 }
    const record = planned(['alpha'])
    expect((await runFor(world, record, 4_000)).status).toBe('queued')
    state.alpha = { kind: 'open' }
    await world.clock.pass(2_000)
    expect((await onDisk(world, record.id)).status).toBe('succeeded')
  })
})

describe('a rate limit', () => {
  test('sends the next requests elsewhere at once', async () => {
    let submits = 0
    const world = createWorld({
      script: (_, provider) =>
        provider === 'alpha' && ++submits === 1 ? failed('rate_limited', false, { retry_after_ms: 25_000 }) : delivered(),
    })
    await runFor(world, planned(['alpha']), 0)
    expect(await runFor(world, planned(['alpha', 'beta']), 0)).toMatchObject({ status: 'succeeded', routeIndex: 1 })
  })

  test('that lasts longer than the deadline fails at once where there is no other provider, and buys nothing a day later', async () => {
    const world = createWorld({ script: () => failed('rate_limited', false, { retry_after_ms: 80_000_000 }) })
    const record = await runFor(world, planned(['alpha']), 100)
    expect(record.error).toMatchObject({ code: 'rate_limited', billed: false })
    await world.clock.pass(90_000)
    expect(world.submits()).toBe(1)
  })

  test('of a provider that takes four of thirty at once lets all thirty through', async () => {
    let running = 0
    const world = createWorld({
      maxInFlight: 30,
      script: async () => {
        if (running >= 4) return failed('rate_limited', false)
        running++
        await new Promise<void>((resolve) => void world.clock.after(1_000, resolve))
        running--
        return delivered()
      },
    })
    const records = Array.from({ length: 30 }, () => planned(['alpha']))
    for (const record of records) await world.run.accept(record, null)
    await world.clock.pass(40_000)
    const ends = await Promise.all(records.map(({ id }) => onDisk(world, id)))
    expect(ends.filter(({ status }) => status === 'succeeded')).toHaveLength(30)
    expect(world.run.inFlight('alpha')).toBe(0)
  })
})
