import { expect, test } from 'vitest'
import { agesOf } from '../../src/core/ages.ts'
import { manualClock } from './generation/world.ts'

const DAY_MS = 86_400_000
const START = Date.UTC(2026, 0, 1)

test('a clock that is set forward makes nothing older, and a step that undoes it never was', async () => {
  const clock = manualClock(START)
  const ages = agesOf(clock)
  const written = ages.now()
  await clock.pass(5_000)
  clock.jump(6 * 365 * DAY_MS)
  expect(ages.of(written)).toBe(5_000)
  const meanwhile = ages.now()
  await clock.pass(1_000)
  expect([ages.of(written), ages.of(meanwhile)]).toEqual([6_000, 1_000])
  clock.jump(-6 * 365 * DAY_MS)
  await clock.pass(1_000)
  expect(ages.of(written)).toBe(7_000)
})

test('a clock that was behind at the start and is set right leaves what is written then as old as it is', async () => {
  const clock = manualClock(START - 90 * DAY_MS)
  const ages = agesOf(clock)
  const written = ages.now()
  clock.jump(90 * DAY_MS)
  await clock.pass(1_000)
  const then = ages.now()
  await clock.pass(2 * DAY_MS)
  expect([ages.of(written), ages.of(then)]).toEqual([2 * DAY_MS + 1_000, 2 * DAY_MS])
  // As an image of the week before the start.
  expect(ages.of(START - 7 * DAY_MS)).toBe(9 * DAY_MS + 1_000)
})

test('a clock that was ahead at the start and is set right makes nothing older', async () => {
  const clock = manualClock(START + 90 * DAY_MS)
  const ages = agesOf(clock)
  clock.jump(-90 * DAY_MS)
  await clock.pass(1_000)
  expect(ages.of(ages.now())).toBe(0)
  expect(ages.of(START)).toBe(1_000)
})
