import { describe, expect, test } from 'vitest'
import type { Downloaded } from '../../../src/core/ports.ts'
import type { GenerationRecord } from '../../../src/core/records.ts'
import { attemptRecord } from '../../store/records.ts'
import { createWorld, done, failed, image, onDisk, pending, planned, recoverCall, refused, settled } from './world.ts'
import { plainLinks } from '../../../src/core/present/image-link.ts'

const delivered = () => done('https://cdn.example/1.jpg')

/** One reference behind a link, at an offer that takes bytes only where `limits.forms` says so: it must be fetched before the submit. */
function linked(providers: readonly string[] = ['bytes']): GenerationRecord {
  return { ...planned(providers), references: [{ kind: 'url', url: 'https://example.com/cat.png', pixels: null }] }
}

describe('an acceptance that the disk refuses', () => {
  test('while a reference would be fetched buys nothing, then or later, and its repetition buys once', async () => {
    const world = createWorld({ script: delivered })
    let isFull = true
    const entry = { scope: '', key: 'k', bodyHash: 'b', createdAt: 1 }
    const broken = createWorld({
      script: delivered,
      store: { ...world.store, commit: (unit) => (isFull ? Promise.reject(new Error('disk full')) : world.store.commit(unit)) },
    })
    const first = linked()
    await expect(broken.run.accept(first, { ...entry, generationId: first.id })).rejects.toThrow('disk full')
    isFull = false
    await broken.clock.pass(120_000)
    expect([broken.submits(), broken.downloads.length, broken.run.openCount]).toEqual([0, 0, 0])
    expect(await world.store.idempotency('', 'k')).toBeNull()
    const second = linked()
    await broken.run.accept(second, { ...entry, generationId: second.id })
    await broken.clock.pass(5_000)
    expect(broken.submits()).toBe(1)
    expect(await world.store.idempotency('', 'k')).toMatchObject({ generationId: second.id })
    expect((await world.store.list({ limit: 10 })).records.map(({ id }) => id)).toEqual([second.id])
  })

  test('gives back every slot it took', async () => {
    const world = createWorld({ script: delivered, maxInFlight: 2 })
    const broken = createWorld({
      script: delivered,
      maxInFlight: 2,
      store: { ...world.store, commit: () => Promise.reject(new Error('disk full')) },
    })
    await expect(broken.run.accept(planned(['alpha'], { tasks: [1, 1] }), null)).rejects.toThrow('disk full')
    expect(broken.run.slotState('alpha')).toMatchObject({ inFlight: 0, free: 2 })
    expect(broken.held.size).toBe(0)
  })
})

describe('a reference that cannot be read', () => {
  test.for<[string, Downloaded]>([
    ['answers 404', { kind: 'expired', status: 404 }],
    ['is not an image', image('this is not an image')],
  ])('because its link %s ends its task, costs nothing and keeps no slot', async ([, answer]) => {
    const world = createWorld({ script: delivered, download: () => answer, maxInFlight: 1 })
    const record = linked()
    await world.run.accept(record, null)
    await world.clock.pass(60_000)
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'failed', error: { code: 'invalid_request', billed: false } })
    expect([world.submits(), world.run.inFlight('bytes'), world.held.size]).toEqual([0, 0, 0])
  })
})

describe('a task that a crash left being submitted', () => {
  const left = (more: Partial<GenerationRecord>): GenerationRecord => ({
    ...planned(['alpha']),
    status: 'running',
    attempts: [attemptRecord('att_left', { status: 'submitting', next: recoverCall, submittedAt: 999_500, startedAt: 999_000 })],
    ...more,
  })

  test.for<[string, Partial<GenerationRecord>]>([
    ['its reference’s link has expired', { references: [{ kind: 'url', url: 'https://example.com/gone.png', pixels: null }] }],
    ['its model left the manifest', { model: 'gone', routes: planned(['alpha']).routes.map((route) => ({ ...route, model: 'gone' })) }],
  ])('is asked for by our own id although %s', async ([, more]) => {
    const world = createWorld({ script: delivered, download: () => ({ kind: 'expired', status: 404 }) })
    const record = left(more)
    await world.store.commit({ generations: [record] })
    await world.run.resume()
    await world.clock.pass(2_000)
    expect(await onDisk(world, record.id)).toMatchObject({ attempts: [{ cost: { amount: '0.05' } }] })
    expect(world.calls[0]?.call).toEqual(recoverCall)
    expect([world.submits(), world.run.inFlight('alpha')]).toEqual([0, 0])
  })

  test('ends as unknown, with its slot free, where the vendor never finds it', async () => {
    const world = createWorld({ script: () => refused(404, { code: 'outcome_unknown' }) })
    const record = left({})
    await world.store.commit({ generations: [record] })
    await world.run.resume()
    await world.clock.pass(40_000)
    expect((await onDisk(world, record.id)).status).toBe('running')
    await world.clock.pass(60_000)
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'failed', error: { code: 'outcome_unknown', billed: 'unknown' } })
    expect(world.run.inFlight('alpha')).toBe(0)
  })

  test('is found late by a vendor that lists it only once it is done', async () => {
    let polls = 0
    const world = createWorld({
      recover: true,
      script: (call) => (call.purpose === 'submit' ? { kind: 'lost', reason: 'reset' } : ++polls < 7 ? refused(404) : delivered()),
    })
    const record = planned(['alpha'])
    await world.run.accept(record, null)
    await world.clock.pass(58_000)
    expect((await onDisk(world, record.id)).status).toBe('succeeded')
    expect(world.submits()).toBe(1)
  })
})

describe('a cancel while the submit is on its way', () => {
  test.for(['rate_limited', 'insufficient_credit', 'provider_unauthorized'] as const)(
    'costs nothing where the vendor answers %s',
    async (code) => {
      let answer: (value: ReturnType<typeof failed>) => void = () => {}
      const world = createWorld({ script: () => new Promise((resolve) => (answer = resolve)) })
      const record = planned(['alpha', 'beta'])
      await world.run.accept(record, null)
      await settled()
      expect(await world.run.cancel(record.id)).toMatchObject({ status: 'canceled', error: { billed: 'unknown' } })
      answer(failed(code, false))
      await world.clock.pass(100)
      expect(await onDisk(world, record.id)).toMatchObject({
        status: 'canceled',
        error: { code: 'canceled', billed: false },
        attempts: [{ status: 'canceled', settled: { amount: '0' } }],
      })
      expect([world.run.inFlight('alpha'), world.run.openCount, world.submits()]).toEqual([0, 0, 1])
    },
  )

  test('is seen at once by those who wait, and settled when the reply comes', async () => {
    let answer: (value: ReturnType<typeof pending>) => void = () => {}
    const world = createWorld({ script: () => new Promise((resolve) => (answer = resolve)) })
    const record = planned(['alpha'])
    await world.run.accept(record, null)
    await settled()
    const waiting = world.run.wait(record.id, 60_000)
    await world.run.cancel(record.id)
    expect((await waiting)?.status).toBe('canceled')
    answer(pending({ cost: { amount: '0.05', raw: 5 } }))
    await world.clock.pass(100)
    expect((await onDisk(world, record.id)).attempts).toMatchObject([{ status: 'canceled', settled: { amount: '0.05', basis: 'billed' } }])
    expect(world.calls).toHaveLength(1)
  })
})

test('images of several tasks stand in the order of the tasks, whatever arrived first', async () => {
  const answers: ((sent: ReturnType<typeof done>) => void)[] = []
  const world = createWorld({ script: () => new Promise((resolve) => answers.push(resolve)) })
  const record = planned(['alpha'], { tasks: [1, 1, 1], seed: 40 })
  await world.run.accept(record, null)
  await settled()
  for (const task of [2, 0, 1]) {
    answers[task]?.(done(`https://cdn.example/${task}.jpg`))
    await settled()
  }
  const stored = await onDisk(world, record.id)
  expect(stored.attempts.map(({ task, seed }) => [task, seed])).toEqual([
    [0, '40'],
    [1, '41'],
    [2, '42'],
  ])
  const orderOf = new Map(stored.attempts.flatMap(({ imageIds, task }) => imageIds.map((id) => [id, task] as const)))
  const { viewOf } = await import('../../../src/core/present/generation.ts')
  expect(viewOf(stored, plainLinks('')).images.map(({ id }) => orderOf.get(id))).toEqual([0, 1, 2])
})
