import { expect, test } from 'vitest'
import { agesOf } from '../../../src/core/ages.ts'
import { createIdempotency, hashOfBody, IDEMPOTENCY_LIFE_MS, IdempotencyMismatch } from '../../../src/core/generation/idempotency.ts'
import type { Ages } from '../../../src/core/ports.ts'
import { createWorld, done, planned } from './world.ts'

function setUp() {
  const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
  let now = 1_000_000
  const ages: Ages = { now: () => now, of: (instant) => now - instant }
  const idempotency = createIdempotency(world.store, ages)
  const ask = (bodyHash = 'body', key = 'key') =>
    idempotency.once('', key, bodyHash, async (entry) => {
      const record = planned(['alpha'])
      await world.run.accept(record, { ...entry, generationId: record.id })
      return record
    })
  return { world, ask, later: (ms: number) => (now += ms), again: () => createIdempotency(world.store, ages) }
}

test('fifty simultaneous requests with one key are one generation', async () => {
  const { world, ask } = setUp()
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask()))
  await world.clock.pass(0)
  expect(new Set(answers.map(({ id }) => id)).size).toBe(1)
  expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
  expect(world.submits()).toBe(1)
})

test('the same key later is a replay, also for a process that did not see the first', async () => {
  const { ask, again } = setUp()
  const first = await ask()
  expect(await ask()).toEqual({ id: first.id, replayed: true })
  const other = await again().once('', 'key', 'body', () => Promise.reject(new Error('must not create')))
  expect(other).toEqual({ id: first.id, replayed: true })
})

test('another body under the same key is refused, at the same time and later', async () => {
  const { ask } = setUp()
  const first = ask()
  await expect(ask('other body')).rejects.toThrow(IdempotencyMismatch)
  await first
  await expect(ask('other body')).rejects.toThrow(IdempotencyMismatch)
})

test('a key is free again after 24 hours', async () => {
  const { ask, later } = setUp()
  const first = await ask()
  later(IDEMPOTENCY_LIFE_MS + 1)
  const second = await ask('other body')
  expect(second.replayed).toBe(false)
  expect(second.id).not.toBe(first.id)
})

test('a refused request leaves its key free', async () => {
  const { world } = setUp()
  const idempotency = createIdempotency(world.store, agesOf(world.clock))
  await expect(idempotency.once('', 'k', 'b', () => Promise.reject(new Error('refused')))).rejects.toThrow('refused')
  expect(await world.store.idempotency('', 'k')).toBeNull()
})

test('the order of fields does not make another body, their values do', () => {
  expect(hashOfBody({ a: 1, b: { c: [1, 2], d: 2 } })).toBe(hashOfBody({ b: { d: 2, c: [1, 2] }, a: 1 }))
  expect(hashOfBody({ a: [1, 2] })).not.toBe(hashOfBody({ a: [2, 1] }))
})
