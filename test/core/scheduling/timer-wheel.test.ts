import { expect, test } from 'vitest'
import { createTimerWheel, type Wait } from '../../../src/core/scheduling/timer-wheel.ts'
import { manualClock } from '../generation/world.ts'

function world() {
  const clock = manualClock(0)
  return { clock, wheel: createTimerWheel(clock), fired: [] as string[] }
}

test('calls back at the time or at most a tick later, never before', async () => {
  const { clock, wheel } = world()
  let at = -1
  wheel.schedule(1_001, () => (at = clock.now()))
  await clock.pass(5_000)
  expect(at).toBeGreaterThanOrEqual(1_001)
  expect(at).toBeLessThanOrEqual(1_041)
})

test('a callback that is taken back is never called, and taking back twice changes nothing', async () => {
  const { clock, wheel, fired } = world()
  const taken = wheel.schedule(100, () => fired.push('no'))
  wheel.schedule(100, () => fired.push('yes'))
  taken.end()
  taken.end()
  await clock.pass(1_000)
  expect(fired).toEqual(['yes'])
  expect(wheel.size).toBe(0)
})

test('a callback that takes back itself and its neighbour leaves the count right', async () => {
  const { clock, wheel, fired } = world()
  const waits: Wait[] = []
  waits.push(wheel.schedule(100, () => waits.forEach((wait) => wait.end())))
  waits.push(wheel.schedule(100, () => fired.push('neighbour')))
  wheel.schedule(200, () => fired.push('later'))
  await clock.pass(1_000)
  expect(fired).toEqual(['later'])
  expect(wheel.size).toBe(0)
})

test('a callback may schedule for at once', async () => {
  const { clock, wheel, fired } = world()
  wheel.schedule(50, () => wheel.schedule(0, () => fired.push('second')))
  await clock.pass(200)
  expect(fired).toEqual(['second'])
})

test('costs no timer while nothing waits', async () => {
  let timers = 0
  const clock = manualClock(0)
  const wheel = createTimerWheel({
    monotonicMs: clock.monotonicMs,
    after: (ms, callback) => (timers++, clock.after(ms, callback)),
  })
  wheel.schedule(20, () => {})
  await clock.pass(100)
  const before = timers
  await clock.pass(10_000)
  expect(timers).toBe(before)
})

test('an entry that a callback adds for the very tick it runs in is not lost among others', async () => {
  const { clock, wheel, fired } = world()
  wheel.schedule(100, () => void wheel.schedule(0, () => fired.push('second')))
  wheel.schedule(60_000, () => fired.push('late'))
  await clock.pass(20)
  await clock.suspend(980)
  await clock.pass(100)
  expect(fired).toEqual(['second'])
})

test('callbacks that are due together and take long are called in several turns, all of them and in order', async () => {
  const { clock } = world()
  let workedMs = 0
  const turns: number[][] = []
  const wheel = createTimerWheel({
    monotonicMs: () => clock.monotonicMs() + workedMs,
    after: (ms, callback) => clock.after(ms, () => (turns.push([]), callback())),
  })
  const waits = Array.from({ length: 20 }, (_, number) =>
    wheel.schedule(100, () => {
      workedMs += 0.25
      turns.at(-1)?.push(number)
      if (number === 3) waits[19]?.end()
    }),
  )
  await clock.pass(1_000)
  const worked = turns.filter((turn) => turn.length > 0)
  expect(worked.flat()).toEqual(Array.from({ length: 19 }, (_, number) => number))
  expect(Math.max(...worked.map((turn) => turn.length))).toBe(4)
  expect(wheel.size).toBe(0)
})
