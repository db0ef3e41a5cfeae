import { describe, expect, test } from 'vitest'
import type { AttemptRecord, GenerationRecord } from '../../../src/core/records.ts'
import { attemptRecord } from '../../store/records.ts'
import { createWorld, done, failed, image, onDisk, pending, planned, pollCall, refused, runFor, scripted } from './world.ts'
import type { World } from './world.ts'

const HOUR_MS = 3_600_000

/** Pending since `ago` by the wall clock, as a restart finds it. */
async function leftPending(world: World, ago: number, more: Partial<AttemptRecord> = {}): Promise<GenerationRecord> {
  const record = planned(['alpha'])
  record.status = 'running'
  const submittedAt = world.clock.now() - ago
  record.attempts = [attemptRecord('att_left', { status: 'pending', next: pollCall, submittedAt, startedAt: submittedAt, ...more })]
  await world.store.commit({ generations: [record] })
  await world.run.resume()
  return record
}

describe('a wall clock that is set', () => {
  test.for([
    ['back an hour', -HOUR_MS],
    ['forward six years', 6 * 365 * 24 * HOUR_MS],
  ] as const)('%s changes neither polls nor waits', async ([, jump]) => {
    let polls = 0
    const world = createWorld({
      script: (call) => (call.purpose === 'submit' || ++polls < 5 ? pending() : done('https://cdn.example/1.jpg')),
    })
    const record = planned(['alpha'])
    await runFor(world, record, 500)
    world.clock.jump(jump)
    const waiting = world.run.wait(record.id, 3_000)
    await world.clock.pass(3_100)
    expect([(await waiting)?.status, polls]).toEqual(['running', 3])
    await world.clock.pass(3_000)
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'succeeded', images: [{}] })
    expect(world.submits()).toBe(1)
  })

  test('forward while the gateway is down ends no task before the vendor was asked', async () => {
    let polls = 0
    const world = createWorld({ script: () => (++polls < 3 ? pending() : done('https://cdn.example/1.jpg')) })
    const record = await leftPending(world, 6 * 365 * 24 * HOUR_MS)
    await world.clock.pass(10_000)
    expect((await onDisk(world, record.id)).status).toBe('succeeded')
  })
})

describe('a gateway that was down for longer than the deadline', () => {
  test('gives each task its whole deadline again, since its clock may only have been set forward', async () => {
    const world = createWorld({ script: () => pending() })
    const record = await leftPending(world, 11 * 60_000)
    await world.clock.pass(55_000)
    expect((await onDisk(world, record.id)).status).toBe('running')
    await world.clock.pass(15_000)
    expect((await onDisk(world, record.id)).error).toMatchObject({ code: 'provider_timeout', billed: 'unknown' })
  })

  test('survives a first poll that fails', async () => {
    let polls = 0
    const world = createWorld({ script: () => (++polls === 1 ? { kind: 'lost', reason: 'reset' } : done('https://cdn.example/1.jpg')) })
    const record = await leftPending(world, 11 * 60_000)
    await world.clock.pass(10_000)
    expect((await onDisk(world, record.id)).status).toBe('succeeded')
  })

  test('gives up a task whose vendor answers nothing at all, once the deadline has passed twice again', async () => {
    const world = createWorld({ script: () => ({ kind: 'lost', reason: 'reset' }) })
    const record = await leftPending(world, 11 * 60_000)
    await world.clock.pass(119_000)
    expect((await onDisk(world, record.id)).status).toBe('running')
    await world.clock.pass(40_000)
    expect((await onDisk(world, record.id)).status).toBe('failed')
    expect(world.run.inFlight('alpha')).toBe(0)
  })

  test('does not count the time it was down as the provider’s latency', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const record = await leftPending(world, 11 * 60_000)
    await world.clock.pass(1_000)
    expect((await onDisk(world, record.id)).status).toBe('succeeded')
    expect(world.run.latency('alpha', 'model-x')).toBeNull()
  })
})

describe('a process that was suspended past the deadline', () => {
  test('gives each task its remaining time back and several polls', async () => {
    let polls = 0
    const world = createWorld({
      script: (call) => (call.purpose === 'submit' || ++polls < 8 ? pending() : done('https://cdn.example/1.jpg')),
    })
    const record = planned(['alpha'])
    await runFor(world, record, 3_000)
    await world.clock.suspend(600_000)
    await world.clock.pass(10_000)
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'succeeded', attempts: [{ interrupted: true }] })
    expect(world.logged.filter(({ message }) => message.includes('was paused'))).toHaveLength(1)
  })
})

/** A vendor whose image cannot be fetched until `state.isBack`. */
function worldWithLateImage() {
  const state = { isBack: false }
  const world = createWorld({
    script: (call) => (call.purpose === 'submit' ? pending() : done('https://cdn.example/1.jpg')),
    download: () => (state.isBack ? image() : { kind: 'failed', reason: 'reset', retryable: true }),
  })
  return { world, state }
}

describe('an image that cannot be fetched yet', () => {
  test('is tried several times after the process was suspended for longer than its link is said to live', async () => {
    const { world, state } = worldWithLateImage()
    const record = planned(['alpha'])
    await runFor(world, record, 20_000)
    await world.clock.suspend(3_700_000)
    await world.clock.pass(1_000)
    state.isBack = true
    await world.clock.pass(5_000)
    expect((await onDisk(world, record.id)).status).toBe('succeeded')
  })

  test('is not given up because the wall clock is set forward', async () => {
    const { world, state } = worldWithLateImage()
    const record = planned(['alpha'])
    await runFor(world, record, 3_000)
    world.clock.jump(24 * HOUR_MS)
    await world.clock.pass(60_000)
    state.isBack = true
    await world.clock.pass(60_000)
    expect((await onDisk(world, record.id)).status).toBe('succeeded')
  })
})

describe('a bought task', () => {
  test('that fails after some images of its batch were reported delivers these', async () => {
    const world = createWorld({
      script: (call) =>
        call.purpose === 'submit'
          ? pending({ images: [{ source: { kind: 'url', url: 'https://cdn.example/1.jpg' }, seed: '1' }] })
          : failed('provider_rejected', 'unknown'),
    })
    const record = await runFor(world, planned(['alpha', 'beta'], { tasks: [2] }), 10_000)
    expect(record).toMatchObject({ status: 'succeeded', images: [{}], attempts: [{ error: { code: 'provider_rejected' } }] })
    expect(world.submits()).toBe(1)
  })

  test('is polled again where its adapter fails on one reply', async () => {
    let polls = 0
    const world = createWorld({
      script: (call) => (call.purpose === 'submit' ? pending() : done('https://cdn.example/1.jpg')),
      adapter: {
        ...scripted,
        interpret(reply, call) {
          if (call.purpose === 'poll' && ++polls === 1) throw new TypeError('a defect')
          return scripted.interpret(reply, call)
        },
      },
    })
    expect((await runFor(world, planned(['alpha']), 10_000)).status).toBe('succeeded')
    expect(world.logged.filter(({ level }) => level === 'error')).toHaveLength(1)
  })

  test.for([400, 401, 403, 404, 451, 500])('whose poll is answered %i once is polled again and delivered', async (status) => {
    let polls = 0
    const world = createWorld({
      script: (call) =>
        call.purpose === 'submit'
          ? pending({ cost: { amount: '0.05', raw: 5 } })
          : ++polls === 1
            ? refused(status)
            : done('https://cdn.example/1.jpg'),
    })
    expect(await runFor(world, planned(['alpha', 'beta']), 10_000)).toMatchObject({
      status: 'succeeded',
      attempts: [{ cost: { amount: '0.05' } }],
    })
    expect(world.submits()).toBe(1)
  })

  test('whose polls stay refused ends at the deadline as unknown, with the amount the vendor reported', async () => {
    const world = createWorld({
      script: (call) =>
        call.purpose === 'submit' ? pending({ cost: { amount: '0.05', raw: 5 } }) : refused(404, { code: 'outcome_unknown' }),
    })
    const record = planned(['alpha', 'beta'])
    expect((await runFor(world, record, 55_000)).status).toBe('running')
    await world.clock.pass(40_000)
    expect(await onDisk(world, record.id)).toMatchObject({
      error: { code: 'outcome_unknown', billed: 'unknown', provider_status: 404 },
      attempts: [{ settled: { amount: '0.05', basis: 'billed' } }],
    })
    expect(world.calls.length).toBeLessThan(12)
    expect(world.submits()).toBe(1)
  })

  test('is polled again no later than its deadline, however long the vendor asks to wait', async () => {
    const world = createWorld({
      script: (call) => (call.purpose === 'submit' ? pending() : refused(429, { retry_after_ms: 9_000_000_000 })),
    })
    const record = planned(['alpha'])
    await runFor(world, record, 130_000)
    expect((await onDisk(world, record.id)).status).toBe('failed')
  })

  test('keeps what the vendor said about it besides', async () => {
    const world = createWorld({
      script: (call) => (call.purpose === 'submit' ? pending({ vendor: { input_mp: 1, queue: 'a' } }) : done('https://cdn.example/1.jpg')),
    })
    expect((await runFor(world, planned(['alpha']), 3_000)).attempts[0]?.vendor).toEqual({ input_mp: 1, queue: 'a' })
  })

  test('is polled twenty times a second at most, whatever the vendor asks for, and goes to another address at once only once', async () => {
    for (const urls of [['/task/1'], ['/task/1', '/task/2']]) {
      let polls = 0
      const script = (): ReturnType<typeof pending> => {
        const url = urls[polls++ % urls.length] ?? ''
        return pending({ afterMs: 0, next: { ...pollCall, url } })
      }
      const world = createWorld({ script })
      await runFor(world, planned(['alpha']), 2_000)
      expect(polls).toBeGreaterThan(30)
      expect(polls).toBeLessThan(45)
    }
  })
})
