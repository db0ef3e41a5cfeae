import { describe, expect, test } from 'vitest'
import type { Sent } from '../../../src/core/ports.ts'
import { createWorld, done, onDisk, pending, planned, recoverCall } from '../generation/world.ts'
import type { World, WorldOptions } from '../generation/world.ts'

const hooks: NonNullable<WorldOptions['hooks']> = {
  isOn: () => true,
  webhookFor: (provider, generationId, attemptId) => ({
    url: `https://gate.example/${provider}/${generationId}.${attemptId}`,
    secret: 's',
  }),
}
const inProgress = () => pending({ afterMs: null })
const finished = () => done('https://cdn.example/1.jpg')

/** Unfinished until a test says otherwise. */
function vendor(options: Partial<WorldOptions> = {}) {
  const state = { isReady: false, submitReply: (): Sent | Promise<Sent> => inProgress() }
  const world = createWorld({
    script: (call) => (call.purpose === 'submit' ? state.submitReply() : state.isReady ? finished() : inProgress()),
    hooks,
    ...options,
  })
  return { world, state, polls: () => world.calls.filter(({ call }) => call.purpose !== 'submit').length }
}

async function started(world: World, tasks: readonly number[] = [1]) {
  const record = planned(['alpha'], { tasks })
  await world.run.accept(record, null)
  await world.clock.pass(50)
  const attempt = () => record.attempts.at(-1)?.id ?? ''
  return { id: record.id, callback: (attemptId = attempt()) => world.run.callback('alpha', record.id, attemptId) }
}

describe('a task whose end a callback reports', () => {
  test('is not polled but for the safety net, and once when its callback comes', async () => {
    const { world, state, polls } = vendor()
    const { id, callback } = await started(world)
    await world.clock.pass(11_000)
    expect(polls()).toBe(0)
    state.isReady = true
    callback()
    await world.clock.pass(50)
    expect(await onDisk(world, id)).toMatchObject({ status: 'succeeded', attempts: [{ polls: 1 }] })
  })

  test('is found by the safety net where no callback comes', async () => {
    const { world, state, polls } = vendor()
    const { id } = await started(world)
    state.isReady = true
    await world.clock.pass(13_000)
    expect((await onDisk(world, id)).status).toBe('succeeded')
    expect(polls()).toBe(1)
  })

  test('is polled as usual where vendors cannot reach the gateway', async () => {
    const { world, polls } = vendor({ hooks: { ...hooks, isOn: () => false, webhookFor: () => undefined } })
    await started(world)
    await world.clock.pass(11_000)
    expect(polls()).toBeGreaterThan(2)
  })

  test('costs one early poll for a callback that is too early and repeated, and one more to be sure', async () => {
    const { world, polls } = vendor()
    const { id, callback } = await started(world)
    for (let times = 0; times < 20; times++) callback()
    await world.clock.pass(50)
    expect(polls()).toBe(1)
    for (let times = 0; times < 20; times++) callback()
    await world.clock.pass(50)
    expect(polls()).toBe(1)
    expect((await onDisk(world, id)).status).toBe('running')
    await world.clock.pass(11_000)
    expect(polls()).toBe(2)
  })

  test('whose callback comes before the submit’s reply is polled soon after the reply', async () => {
    const { world, state, polls } = vendor()
    const answered = Promise.withResolvers<Sent>()
    state.submitReply = () => answered.promise
    const { id, callback } = await started(world)
    callback()
    state.isReady = true
    answered.resolve(inProgress())
    await world.clock.pass(600)
    expect((await onDisk(world, id)).status).toBe('succeeded')
    expect(polls()).toBe(1)
  })

  test('whose callback comes during a poll is polled once more', async () => {
    const before = Promise.withResolvers<Sent>()
    let polls = 0
    const { world } = vendor({
      script: (call) => {
        if (call.purpose === 'submit') return inProgress()
        return ++polls === 1 ? before.promise : finished()
      },
    })
    const { id, callback } = await started(world, [1])
    await world.clock.pass(12_000)
    expect(polls).toBe(1)
    callback()
    before.resolve(inProgress())
    await world.clock.pass(600)
    expect(polls).toBe(2)
    expect((await onDisk(world, id)).status).toBe('succeeded')
  })

  test('with several images is polled for each callback, as they become ready one by one', async () => {
    const { world, state, polls } = vendor()
    const { id, callback } = await started(world, [3])
    for (const isLast of [false, false, true]) {
      state.isReady = isLast
      callback()
      await world.clock.pass(50)
    }
    expect(polls()).toBe(3)
    expect((await onDisk(world, id)).status).toBe('succeeded')
  })
})

describe('a callback', () => {
  test('changes nothing once the task has ended, or where nobody knows it', async () => {
    const { world, state } = vendor()
    const { id, callback } = await started(world)
    state.isReady = true
    callback()
    await world.clock.pass(50)
    const before = { calls: world.calls.length, record: await onDisk(world, id) }
    callback()
    callback('att_unknown')
    world.run.callback('alpha', 'gen_unknown', 'att_unknown')
    await world.clock.pass(5_000)
    expect({ calls: world.calls.length, record: await onDisk(world, id) }).toEqual(before)
  })

  test('of a canceled generation changes nothing', async () => {
    const { world, state } = vendor()
    const { id, callback } = await started(world)
    await world.run.cancel(id)
    state.isReady = true
    callback()
    await world.clock.pass(5_000)
    expect((await onDisk(world, id)).status).toBe('canceled')
    expect(world.calls).toHaveLength(1)
  })

  test('cannot make a task that waits for its slot be polled', async () => {
    const { world, polls } = vendor({ maxInFlight: 1 })
    await started(world)
    const { id, callback } = await started(world)
    callback()
    await world.clock.pass(100)
    expect(polls()).toBe(0)
    expect((await onDisk(world, id)).status).toBe('queued')
  })
})

describe('a vendor whose callbacks do not arrive', () => {
  async function missedThree() {
    const one = vendor()
    one.state.isReady = true
    for (let times = 0; times < 3; times++) {
      await started(one.world)
      await one.world.clock.pass(13_000)
    }
    return one
  }

  test('is polled as usual after three ends in a row that no callback reported, and the log says why', async () => {
    const { world, state } = await missedThree()
    expect(world.logged.filter(({ message }) => message.includes('callbacks do not arrive'))).toHaveLength(1)
    state.isReady = true
    const { id } = await started(world)
    await world.clock.pass(1_100)
    expect((await onDisk(world, id)).status).toBe('succeeded')
  })

  test('is relied on again as soon as one arrives, however late', async () => {
    const { world, state, polls } = await missedThree()
    world.run.callback('alpha', 'gen_old', 'att_old')
    state.isReady = false
    const before = polls()
    await started(world)
    await world.clock.pass(11_000)
    expect(polls()).toBe(before)
  })

  test('does not teach the pace how long its tasks take', async () => {
    const { world } = await missedThree()
    expect(world.run.latency('alpha', 'model-x')).toBeNull()
  })
})

test('a lost submit is asked about at once, whatever callbacks may come', async () => {
  let polls = 0
  const world = createWorld({
    hooks,
    recover: true,
    script: (call) => {
      if (call.purpose === 'submit') return { kind: 'lost', reason: 'reset' }
      return ++polls < 3 ? pending({ afterMs: null, next: recoverCall }) : finished()
    },
  })
  const { id } = await started(world)
  await world.clock.pass(4_000)
  expect((await onDisk(world, id)).status).toBe('succeeded')
})
