import { describe, expect, test } from 'vitest'
import type { AttemptRecord, GenerationRecord } from '../../../src/core/records.ts'
import { attemptRecord } from '../../store/records.ts'
import { viewOf } from '../../../src/core/present/generation.ts'
import { createWorld, done, onDisk, pollCall, planned, recoverCall, runFor, says, settled } from './world.ts'
import type { World } from './world.ts'
import { plainLinks } from '../../../src/core/present/image-link.ts'

/** A row as a crash left it. */
function leftOpen(attempt: Partial<AttemptRecord>): GenerationRecord {
  const record = planned(['alpha', 'beta'])
  record.status = attempt.status === 'queued' ? 'queued' : 'running'
  record.attempts = [attemptRecord('att_left', { status: 'queued', startedAt: 999_000, ...attempt })]
  return record
}

async function resumed(world: World, record: GenerationRecord): Promise<GenerationRecord> {
  await world.store.commit({ generations: [record] })
  expect(await world.run.resume()).toBe(1)
  await world.clock.pass(1_000)
  return onDisk(world, record.id)
}

describe('after a crash', () => {
  test('a queued task is bought, once', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    expect((await resumed(world, leftOpen({ status: 'queued' }))).status).toBe('succeeded')
    expect(world.submits()).toBe(1)
  })

  test('a task that was being submitted is not bought again and ends as outcome unknown', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const record = await resumed(world, leftOpen({ status: 'submitting', submittedAt: 999_500 }))
    expect(record.error).toMatchObject({ code: 'outcome_unknown', billed: 'unknown' })
    expect(world.calls).toEqual([])
  })

  test('a task that was being submitted is asked for where the vendor can be asked', async () => {
    const world = createWorld({ recover: true, script: () => done('https://cdn.example/1.jpg') })
    expect((await resumed(world, leftOpen({ status: 'submitting', submittedAt: 999_500 }))).status).toBe('succeeded')
    expect(world.calls.map(({ call }) => call)).toEqual([recoverCall])
  })

  test('a submitted task whose address is the vendor’s no more is polled until it is again', async () => {
    let isBack = false
    const away = { kind: 'refused', reason: 'https://relay.example is not a host of alpha' } as const
    const world = createWorld({ script: () => (isBack ? done('https://cdn.example/1.jpg') : away) })
    const left = leftOpen({ status: 'pending', next: pollCall, submittedAt: 999_500, providerTaskId: 'vendor-1' })
    expect((await resumed(world, left)).status).toBe('running')
    // The settings that refuse it are let go, so that it is asked under those of a reload.
    expect([...world.held]).toEqual([])
    isBack = true
    await world.clock.pass(30_000)
    expect((await onDisk(world, left.id)).status).toBe('succeeded')
  })

  test('a submitted task is polled at once with its last recorded call', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const record = await resumed(world, leftOpen({ status: 'pending', next: pollCall, submittedAt: 999_500, providerTaskId: 'vendor-1' }))
    expect(record.status).toBe('succeeded')
    expect(world.calls.map(({ call }) => call)).toEqual([pollCall])
  })

  test('a batch of which a part was moderated keeps that failure and its unknown cost', async () => {
    const moderated = { code: 'moderated', message: 'refused', billed: 'unknown', stage: 'output' } as const
    const images = [{ source: { kind: 'url' as const, url: 'https://cdn.example/1.jpg' } }]
    const killed = createWorld({
      script: () => says({ kind: 'done', images, failures: [moderated] }),
      download: () => new Promise(() => {}),
    })
    const left = await runFor(killed, planned(['alpha'], { tasks: [2] }), 100)
    expect(left.attempts[0]?.status).toBe('collecting')
    expect(viewOf(await resumed(createWorld({ script: () => done('https://cdn.example/2.jpg') }), left), plainLinks(''))).toMatchObject({
      status: 'succeeded',
      images: [{}],
      cost: { amount: null, basis: 'unknown' },
      attempts: [{ error: { code: 'moderated', billed: true } }],
    })
  })

  test('a finished task whose image was not stored is fetched', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const results = [{ source: { kind: 'url' as const, url: 'https://cdn.example/1.jpg' } }]
    const record = await resumed(
      world,
      leftOpen({ status: 'collecting', next: pollCall, results, submittedAt: 999_500, readyAt: 999_900, cost: { amount: '0.05', raw: 5 } }),
    )
    expect(record).toMatchObject({ status: 'succeeded', attempts: [{ settled: { amount: '0.05', basis: 'billed' } }] })
    expect(world.calls).toEqual([])
    expect(world.downloads).toHaveLength(1)
  })

  test('an image that was being fetched when its generation was canceled is still stored and settled', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const results = [{ source: { kind: 'url' as const, url: 'https://cdn.example/1.jpg' } }]
    const left = leftOpen({
      status: 'collecting',
      next: pollCall,
      results,
      submittedAt: 999_500,
      readyAt: 999_900,
      cost: { amount: '0.05', raw: 5 },
    })
    left.status = 'canceled'
    const record = await resumed(world, left)
    expect(record).toMatchObject({ status: 'canceled', images: [{}], attempts: [{ settled: { amount: '0.05', basis: 'billed' } }] })
  })

  test('a submitted task still counts against the provider’s limit', async () => {
    const world = createWorld({ maxInFlight: 1, script: () => ({ kind: 'lost', reason: 'reset' }) })
    await world.store.commit({ generations: [leftOpen({ status: 'pending', next: pollCall, submittedAt: 999_500 })] })
    await world.run.resume()
    await world.run.accept(planned(['alpha']), null)
    await settled()
    expect([world.run.inFlight('alpha'), world.run.waiting('alpha')]).toEqual([1, 1])
  })

  test('a task of a provider that is no longer installed ends honestly', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const left = leftOpen({ status: 'pending', next: pollCall, submittedAt: 999_500 })
    const record = await resumed(world, { ...left, routes: left.routes.map((route) => ({ ...route, provider: 'removed' })) })
    expect(record.error).toMatchObject({ code: 'outcome_unknown', billed: 'unknown' })
  })

  test('a task whose siblings had ended before is concluded with them', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const left = leftOpen({ status: 'failed', endedAt: 999_900, settled: { amount: '0', basis: 'computed', lines: [] } })
    const first = left.attempts[0]
    if (!first) throw new Error('unreachable')
    left.attempts.push({ ...first, id: 'att_2', status: 'pending', endedAt: null, settled: null, next: pollCall, submittedAt: 999_500 })
    expect((await resumed(world, left)).status).toBe('succeeded')
  })

  test('a generation whose attempts had all ended before it was concluded is concluded now', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const error = {
      code: 'insufficient_credit',
      message: '',
      provider: 'alpha',
      provider_status: null,
      provider_code: null,
      provider_message: null,
      retryable: false,
      billed: false,
    } as const
    const record = await resumed(
      world,
      leftOpen({ status: 'failed', endedAt: 999_900, settled: { amount: '0', basis: 'computed', lines: [] }, error }),
    )
    expect(record).toMatchObject({ status: 'succeeded', routeIndex: 1 })
  })
})
