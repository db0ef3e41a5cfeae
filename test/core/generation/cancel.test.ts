import { describe, expect, test } from 'vitest'
import type { Adapter, Call } from '#contract'
import type { Sent, Store, UnitOfWork } from '../../../src/core/ports.ts'
import type { GenerationRecord } from '../../../src/core/records.ts'
import { createWorld, done, failed, onDisk, pending, planned, refused, runFor, says, scripted, settled } from './world.ts'
import type { WorldOptions } from './world.ts'

/** A vendor that answers each call only when it is made to. */
function heldWorld(options: Partial<WorldOptions> = {}) {
  const answers: ((sent: Sent) => void)[] = []
  const world = createWorld({ ...options, script: () => new Promise((resolve) => answers.push(resolve)) })
  return { ...world, answers }
}

/** A store that, once slow, writes each unit only when it is made to. */
function slowStore() {
  const { store: inner } = createWorld({ script: () => pending() })
  const state = { isSlow: false, units: [] as UnitOfWork[], waiting: [] as (() => void)[] }
  const store: Store = {
    ...inner,
    async commit(unit) {
      const taken = structuredClone(unit)
      state.units.push(taken)
      if (state.isSlow) await new Promise<void>((resolve) => state.waiting.push(resolve))
      return inner.commit(taken)
    },
  }
  const writeNext = async () => {
    state.waiting.shift()?.()
    await settled()
  }
  return { store, state, writeNext }
}

describe('a cancel', () => {
  test('costs nothing where the submit that was on its way could not connect', async () => {
    const world = heldWorld()
    const record = planned(['alpha', 'beta'])
    await runFor(world, record, 0)
    expect((await world.run.cancel(record.id))?.error).toMatchObject({ billed: 'unknown' })
    world.answers[0]?.({ kind: 'unsent', reason: 'ECONNREFUSED' })
    await world.clock.pass(100)
    expect(await onDisk(world, record.id)).toMatchObject({ error: { code: 'canceled', billed: false }, attempts: [{ status: 'canceled' }] })
    expect(world.submits()).toBe(1)
  })

  test('costs nothing where the poll that was on its way says that the task failed for nothing', async () => {
    const world = heldWorld()
    const record = planned(['alpha'])
    await runFor(world, record, 0)
    world.answers[0]?.(pending())
    await world.clock.pass(1_500)
    await world.run.cancel(record.id)
    world.answers[1]?.(failed('moderated', false))
    await world.clock.pass(100)
    expect((await onDisk(world, record.id)).error).toMatchObject({ code: 'canceled', billed: false })
  })

  test('has callers who come after it wait for nothing, though its submit is still out', async () => {
    const world = heldWorld()
    const record = planned(['alpha'])
    await runFor(world, record, 0)
    await world.run.cancel(record.id)
    // No time passes here.
    expect(await world.run.wait(record.id, 60_000)).toMatchObject({ status: 'canceled' })
    world.answers[0]?.(pending())
    await settled()
  })

  test('does not wait for an image that is being fetched', async () => {
    const world = createWorld({
      script: () => done('https://cdn.example/1.jpg'),
      download: () => ({ kind: 'failed', reason: 'reset', retryable: true }),
    })
    const record = planned(['alpha'])
    await runFor(world, record, 500)
    const before = world.downloads.length
    await world.run.cancel(record.id)
    expect(world.downloads).toHaveLength(before)
    await world.clock.pass(1_000)
    expect(world.downloads.length).toBeGreaterThan(before)
  })

  test('is shown by no write from before it', async () => {
    const { store, state, writeNext } = slowStore()
    const world = heldWorld({ store })
    const record = planned(['alpha'])
    await runFor(world, record, 0)
    const seen: string[] = []
    world.run.watch(record.id, ({ status }) => seen.push(status))
    state.isSlow = true
    world.answers[0]?.(pending())
    await settled()
    const canceling = world.run.cancel(record.id)
    await writeNext()
    expect([seen, (await onDisk(world, record.id)).status]).toEqual([[], 'running'])
    for (let write = 0; write < 4; write++) await writeNext()
    expect((await canceling)?.status).toBe('canceled')
    expect([seen.at(-1), world.run.openCount]).toEqual(['canceled', 0])
  })

  test('while the budget is asked for the next route is written together with what it releases', async () => {
    const { store, state, writeNext } = slowStore()
    const world = heldWorld({ store })
    const plan = planned(['alpha', 'beta'])
    const record: GenerationRecord = {
      ...plan,
      key: 'team',
      routes: plan.routes.map((route, index) => (index === 1 ? { ...route, quoted: { amount: '0.09', lines: [] } } : route)),
      reserved: { period: 'total', periodStart: 0, renewsAt: null, limit: '1', amount: '0.04' },
    }
    await runFor(world, record, 0)
    state.isSlow = true
    world.answers[0]?.(failed('provider_unavailable', false, { provider_status: 503 }))
    await settled()
    const canceling = world.run.cancel(record.id)
    for (let write = 0; write < 4; write++) await writeNext()
    await canceling
    const canceled = state.units.find(({ generations = [] }) => generations.some(({ status }) => status === 'canceled'))
    expect(canceled?.ledger).toMatchObject([{ kind: 'released', amount: '0.09' }])
    expect(await store.budgetUsed('team', 'total', 0)).toBe('0')
    expect(world.submits()).toBe(1)
  })
})

describe('a cancel at a vendor that has one', () => {
  const cancelCall: Call = { purpose: 'cancel', method: 'PUT', url: '/task/1/cancel' }
  const adapter: Adapter = { ...scripted, cancel: (poll) => (poll.purpose === 'poll' ? cancelCall : null) }
  const stopped = (billed: boolean | 'unknown'): Sent =>
    says({ kind: 'failed', failure: { code: 'canceled', message: 'stopped', billed, provider_status: 200 } })

  /** Canceled while its task is pending; `answer` is what the vendor says to the cancel, `polled` to the polls that follow. */
  async function canceled(answer: Sent, polled: Sent = pending()) {
    let isAsked = false
    const world = createWorld({
      adapter,
      script(call) {
        if (call.purpose === 'cancel') isAsked = true
        return call.purpose === 'cancel' ? answer : isAsked ? polled : pending()
      },
    })
    const record = planned(['alpha', 'beta'])
    await runFor(world, record, 0)
    const shown = structuredClone(await world.run.cancel(record.id))
    await world.clock.pass(2_000)
    const purposes = world.calls.map(({ call }) => call.purpose)
    return { world, shown, purposes, record: await onDisk(world, record.id) }
  }

  test('is asked once, and its word settles the attempt: nothing is billed', async () => {
    const { purposes, record, shown } = await canceled(stopped(false))
    expect(purposes).toEqual(['submit', 'cancel'])
    expect(shown).toMatchObject({
      status: 'canceled',
      error: { billed: false, message: 'canceled; alpha stopped the task and bills nothing' },
    })
    expect(record).toMatchObject({ attempts: [{ status: 'canceled', settled: { amount: '0' } }] })
  })

  test('that bills what it had begun says so', async () => {
    const { record } = await canceled(stopped(true))
    expect(record).toMatchObject({
      error: { code: 'canceled', billed: true },
      attempts: [{ status: 'canceled', settled: { basis: 'unknown' } }],
    })
  })

  test('that only took note is polled until it says how the task ended: an image that was made all the same is kept, with its bill', async () => {
    const { purposes, record, shown, world } = await canceled(pending(), done('https://cdn.example/1.jpg'))
    expect(purposes).toEqual(['submit', 'cancel', 'poll'])
    expect(shown?.error).toMatchObject({ billed: 'unknown', message: expect.stringContaining('alpha is asked to stop the task') })
    expect(record).toMatchObject({
      status: 'canceled',
      images: [{ format: 'jpeg' }],
      attempts: [{ status: 'succeeded', settled: { amount: '0.05', basis: 'billed' } }],
    })
    expect(world.run.openCount).toBe(0)
  })

  test.each([
    ['does not answer', { kind: 'lost', reason: 'reset' }],
    ['refuses to', refused(404)],
  ] as const)('that %s may bill it: nothing more is asked', async (_, answer) => {
    const { purposes, record } = await canceled(answer)
    expect(purposes).toEqual(['submit', 'cancel'])
    expect(record).toMatchObject({ error: { code: 'canceled', billed: 'unknown' }, attempts: [{ status: 'canceled' }] })
  })

  test('is asked as soon as a submit that was on its way is answered, and polled no longer than the deadline', async () => {
    const world = heldWorld({ adapter })
    const record = planned(['alpha'])
    await runFor(world, record, 0)
    await world.run.cancel(record.id)
    world.answers[0]?.(pending())
    await settled()
    expect(world.calls.map(({ call }) => call.purpose)).toEqual(['submit', 'cancel'])
    world.answers[1]?.(pending({ afterMs: 59_000 }))
    for (let turn = 2; turn < 8; turn++) {
      await world.clock.pass(60_000)
      world.answers[turn]?.(pending({ afterMs: 1_000 }))
      await settled()
    }
    expect(await onDisk(world, record.id)).toMatchObject({
      status: 'canceled',
      attempts: [{ status: 'canceled', error: { billed: 'unknown' } }],
    })
    expect(world.run.openCount).toBe(0)
  })
})
