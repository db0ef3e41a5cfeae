import { describe, expect, test } from 'vitest'
import type { Sent, Store } from '../../../src/core/ports.ts'
import { createRun } from '../../../src/core/generation/run.ts'
import { createWorld, done, onDisk, pending, planned, settled } from './world.ts'

/** A vendor that answers each call only when it is made to. */
function heldWorld() {
  const answers: ((sent: Sent) => void)[] = []
  const world = createWorld({ maxInFlight: 1, script: () => new Promise((resolve) => answers.push(resolve)) })
  return { ...world, answers }
}

describe('a run that is stopped', () => {
  test('is idle at once where nothing is under way', async () => {
    expect(await heldWorld().run.idle(1_000)).toBe(true)
  })

  test('waits for a submit’s reply, and is idle only once it is on disk', async () => {
    const world = heldWorld()
    const record = planned(['alpha'])
    await world.run.accept(record, null)
    await settled()
    world.run.stop()
    let isIdle: boolean | null = null
    const idle = world.run.idle(10_000).then((value) => (isIdle = value))
    await settled()
    expect(isIdle).toBeNull()
    world.answers[0]?.(pending())
    await idle
    expect(isIdle).toBe(true)
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'running', attempts: [{ status: 'pending' }] })
  })

  test('gives up waiting for a vendor that does not answer', async () => {
    const world = heldWorld()
    await world.run.accept(planned(['alpha']), null)
    await settled()
    const idle = world.run.idle(10_000)
    await world.clock.pass(10_000)
    expect(await idle).toBe(false)
  })

  test('buys and polls nothing more: what waited for a slot stays queued, what was bought stays pending', async () => {
    const world = heldWorld()
    const [first, second] = [planned(['alpha']), planned(['alpha'])]
    await world.run.accept(first, null)
    await world.run.accept(second, null)
    await settled()
    world.run.stop()
    world.answers[0]?.(pending())
    await world.clock.pass(600_000)
    expect(world.calls).toHaveLength(1)
    expect((await onDisk(world, first.id)).attempts[0]?.status).toBe('pending')
    expect((await onDisk(world, second.id)).attempts[0]?.status).toBe('queued')
  })

  test('answers those who wait with the generation as it is', async () => {
    const world = heldWorld()
    const record = planned(['alpha'])
    await world.run.accept(record, null)
    const waiting = world.run.wait(record.id, 600_000)
    await settled()
    world.run.stop()
    expect(await waiting).toMatchObject({ id: record.id, status: 'running' })
  })

  test('is continued by the next one with the same submit', async () => {
    const world = heldWorld()
    const record = planned(['alpha'])
    await world.run.accept(record, null)
    await settled()
    world.run.stop()
    world.answers[0]?.(pending())
    await world.run.idle(1_000)
    const next = createRun(world.ports)
    await next.resume()
    await world.clock.pass(100)
    world.answers[1]?.(done('https://cdn.example/1.jpg'))
    await world.clock.pass(100)
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'succeeded' })
    expect(world.submits()).toBe(1)
  })

  test('between the intent to buy and its submit sends nothing, and leaves the task for the next one to buy', async () => {
    const { store: inner } = heldWorld()
    const writes: (() => void)[] = []
    let isSlow = true
    const store: Store = {
      ...inner,
      async commit(unit) {
        if (isSlow) await new Promise<void>((resolve) => writes.push(resolve))
        return inner.commit(unit)
      },
    }
    const world = createWorld({ store, script: () => done('https://cdn.example/1.jpg') })
    const record = planned(['alpha'])
    const accepting = world.run.accept(record, null)
    await settled()
    world.run.stop()
    isSlow = false
    writes[0]?.()
    await accepting
    expect(await world.run.idle(1_000)).toBe(true)
    expect([world.submits(), (await onDisk(world, record.id)).attempts[0]?.status]).toEqual([0, 'queued'])
    await createRun(world.ports).resume()
    await world.clock.pass(1_000)
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'succeeded' })
    expect(world.submits()).toBe(1)
  })
})
