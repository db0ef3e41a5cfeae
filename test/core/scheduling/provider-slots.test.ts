import { describe, expect, test } from 'vitest'
import { createProviderSlots } from '../../../src/core/scheduling/provider-slots.ts'
import { manualClock } from '../generation/world.ts'

function slotsOf(limit: number) {
  const clock = manualClock()
  const limits = { limit }
  const slots = createProviderSlots({
    nowMs: clock.monotonicMs,
    schedule: (delayMs, callback) => clock.after(delayMs, callback),
    limitOf: () => limits.limit,
  })
  const served: string[] = []
  const wait = (task: string, key: string | null = null) => slots.wait('p', key, task, () => served.push(task))
  return { clock, limits, slots, served, wait }
}

describe('slots of a provider', () => {
  test('are never more than its limit, and the first that waits gets the next one', () => {
    const { slots, served, wait } = slotsOf(2)
    expect(['a', 'b', 'c'].map((task) => slots.tryTake('p', task))).toEqual([true, true, false])
    wait('c')
    wait('d')
    slots.release('p', 'a')
    expect([served, slots.state('p')]).toEqual([['c'], { inFlight: 2, waiting: 1, free: 0, pausedMs: 0 }])
  })

  test('are released once, however often it is asked', () => {
    const { slots } = slotsOf(2)
    slots.tryTake('p', 'a')
    slots.tryTake('p', 'b')
    slots.release('p', 'a')
    slots.release('p', 'a')
    slots.release('p', 'nobody')
    expect(slots.state('p')).toMatchObject({ inFlight: 1, free: 1 })
  })

  test('are given in turns between gateway keys: one task never waits for all thirty of another key', () => {
    const { slots, served, wait } = slotsOf(1)
    slots.tryTake('p', 'first')
    for (let task = 0; task < 30; task++) wait(`big-${task}`, 'big')
    wait('small', 'small')
    slots.release('p', 'first')
    slots.release('p', 'big-0')
    expect(served).toEqual(['big-0', 'small'])
  })

  test('keep the turn of a task that asks again', () => {
    const { slots, served, wait } = slotsOf(1)
    slots.tryTake('p', 'first')
    wait('a')
    wait('b')
    wait('a')
    slots.release('p', 'first')
    expect(served).toEqual(['a'])
  })

  test('count a task that was bought before this process began, beyond the limit if need be', () => {
    const { slots } = slotsOf(1)
    slots.hold('p', 'a')
    slots.hold('p', 'b')
    expect(slots.state('p')).toMatchObject({ inFlight: 2, free: 0 })
  })

  test('follow a raised limit as soon as the configuration changes', () => {
    const { slots, limits, served, wait } = slotsOf(1)
    slots.tryTake('p', 'a')
    wait('b')
    limits.limit = 2
    slots.recheck()
    expect(served).toEqual(['b'])
  })
})

describe('a provider that answers 429', () => {
  test('takes nothing until its pause is over, and calls those who wait so that they can go elsewhere', async () => {
    const { clock, slots, served, wait } = slotsOf(2)
    slots.tryTake('p', 'a')
    slots.tryTake('p', 'b')
    wait('c')
    slots.rateLimited('p', 5_000)
    expect(served).toEqual(['c'])
    slots.release('p', 'b')
    expect([slots.tryTake('p', 'd'), slots.state('p').pausedMs]).toEqual([false, 5_000])
    await clock.pass(5_000)
    slots.release('p', 'a')
    expect(slots.tryTake('p', 'd')).toBe(true)
  })

  test('is given no more at once than it has just taken', () => {
    const { slots } = slotsOf(24)
    for (let task = 0; task < 24; task++) slots.tryTake('p', `t${task}`)
    for (let task = 4; task < 24; task++) {
      slots.rateLimited('p', 0)
      slots.release('p', `t${task}`)
    }
    expect(slots.state('p')).toMatchObject({ inFlight: 4, free: 0 })
    slots.release('p', 't0')
    expect(slots.state('p').free).toBe(1)
  })

  test('is given one more at a time as it goes on taking them, up to its limit', async () => {
    const { clock, slots } = slotsOf(3)
    slots.tryTake('p', 'a')
    slots.tryTake('p', 'b')
    slots.rateLimited('p', 0)
    slots.release('p', 'b')
    expect(slots.state('p').free).toBe(0)
    slots.accepted('p')
    expect(slots.state('p').free).toBe(0)
    await clock.pass(1_000)
    slots.accepted('p')
    expect(slots.state('p').free).toBe(1)
    await clock.pass(1_000)
    slots.accepted('p')
    slots.accepted('p')
    expect(slots.state('p').free).toBe(2)
  })
})
