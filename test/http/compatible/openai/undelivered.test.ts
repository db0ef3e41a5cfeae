import { expect, test } from 'vitest'
import { createUndelivered } from '../../../../src/http/compatible/openai/undelivered.ts'

const cat = { model: 'm', prompt: 'a cat' }
const dog = { model: 'm', prompt: 'a dog' }

function withClock() {
  const clock = { ms: 0, monotonicMs: () => clock.ms }
  return { clock, undelivered: createUndelivered(clock) }
}

test('an undelivered generation is handed over once, to the same request of the same key only', () => {
  const { undelivered } = withClock()
  undelivered.add('a', cat, 'gen_1')
  expect(undelivered.take('a', dog)).toBeNull()
  expect(undelivered.take('b', cat)).toBeNull()
  expect(undelivered.take('a', { prompt: 'a cat', model: 'm' })).toBe('gen_1')
  expect(undelivered.take('a', cat)).toBeNull()
})

test('several equal ones are given out one by one, the oldest first', () => {
  const { undelivered } = withClock()
  undelivered.add('a', cat, 'gen_1')
  undelivered.add('a', cat, 'gen_2')
  undelivered.add('a', cat, 'gen_1')
  expect([undelivered.take('a', cat), undelivered.take('a', cat), undelivered.take('a', cat)]).toEqual(['gen_1', 'gen_2', null])
})

test('an undelivered generation is forgotten after a quarter of an hour: the same request then means a new image', () => {
  const { clock, undelivered } = withClock()
  undelivered.add('a', cat, 'gen_1')
  clock.ms = 15 * 60_000
  expect(undelivered.take('a', cat)).toBeNull()
})

test('the list does not grow without end', () => {
  const { undelivered } = withClock()
  for (let index = 0; index < 1_001; index++) undelivered.add('a', cat, `gen_${index}`)
  expect(undelivered.take('a', cat)).toBe('gen_1')
})

test('an undelivered generation is not forgotten for what another key leaves behind', () => {
  const { undelivered } = withClock()
  undelivered.add('a', cat, 'gen_a')
  for (let index = 0; index < 1_001; index++) undelivered.add('b', cat, `gen_${index}`)
  expect(undelivered.take('a', cat)).toBe('gen_a')
})
