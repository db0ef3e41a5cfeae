import { expect, test } from 'vitest'
import { steadyClock } from '../../src/core/steady-clock.ts'
import { manualClock } from './generation/world.ts'

test('a steady clock goes on from the wall time of its start, whatever the wall clock is set to', async () => {
  const clock = manualClock(1_000_000)
  const now = steadyClock(clock)
  await clock.pass(5_000)
  clock.jump(6 * 365 * 24 * 3_600_000)
  expect(now()).toBe(1_005_000)
  clock.jump(-7 * 365 * 24 * 3_600_000)
  await clock.pass(5_000)
  expect(now()).toBe(1_010_000)
})
