import { describe, expect, test } from 'vitest'
import { viewOf } from '../../../src/core/present/generation.ts'
import { createWorld, done, failed, onDisk, pending, planned, pollCall, recoverCall, refused, runFor, says, settled } from './world.ts'
import { IdempotencyConflict } from '../../../src/core/ports.ts'
import type { Sent } from '../../../src/core/ports.ts'
import { plainLinks } from '../../../src/core/present/image-link.ts'

describe('a generation', () => {
  test('is on disk as submitting before the paid call is made', async () => {
    const seen: string[] = []
    const world = createWorld({
      async script(call) {
        const [open] = (await world.store.claimOpen()).map(({ record }) => record)
        if (call.purpose === 'submit') seen.push(open?.attempts[0]?.status ?? 'nothing')
        return done('https://cdn.example/1.jpg')
      },
    })
    await runFor(world, planned(['alpha']), 0)
    expect(seen).toEqual(['submitting'])
  })

  test('that is answered at once succeeds with the billed cost and the stored image', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const generation = viewOf(await runFor(world, planned(['alpha']), 0), plainLinks('http://here'))
    expect(generation).toMatchObject({
      status: 'succeeded',
      provider: 'alpha',
      cost: { amount: '0.05', basis: 'billed', quoted: '0.04' },
      images: [{ width: 1024, format: 'jpeg', seed: '7', url: expect.stringMatching(/^http:\/\/here\/v1\/images\/img_\d+\.jpg$/) }],
      attempts: [{ status: 'succeeded', provider_task_id: 'vendor-1', cost: { amount: '0.05', basis: 'billed' } }],
      error: null,
    })
    expect(world.run.openCount).toBe(0)
    expect(world.run.inFlight('alpha')).toBe(0)
  })

  test('keeps the next call of its attempt while it is open, and none once it has ended', async () => {
    let polls = 0
    const seen: unknown[] = []
    const world = createWorld({
      async script(call) {
        if (call.purpose === 'poll') seen.push((await world.store.claimOpen())[0]?.record.attempts[0]?.next)
        return ++polls === 1 ? pending() : done('https://cdn.example/1.jpg')
      },
    })
    const record = await runFor(world, planned(['alpha']), 5_000)
    expect(seen).toEqual([pollCall])
    expect(record.attempts).toMatchObject([{ status: 'succeeded', next: null }])
  })

  test('that was charged what nobody can count ends with its image, and its cost is unknown', async () => {
    const images = [{ source: { kind: 'url', url: 'https://cdn.example/1.jpg' } }] as const
    const world = createWorld({
      script: () => says({ kind: 'done', images, cost: { amount: 'very much', raw: null }, taskId: 'vendor-1' }),
    })
    const generation = viewOf(await runFor(world, planned(['alpha']), 0), plainLinks('http://here'))
    expect(generation).toMatchObject({ status: 'succeeded', images: [{ width: 1024 }], cost: { amount: null, basis: 'unknown' } })
    expect(world.run.openCount).toBe(0)
  })

  test('sends a mask beside its references, and shows it as an image that can be sent again', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const stored = { kind: 'stored', sha256: 'ab', bytes: 8, format: 'png', pixels: { width: 8, height: 8 } } as const
    const references = [
      { ...stored, id: 'img_r' },
      { ...stored, id: 'img_m', isMask: true },
    ] as const
    const record = await runFor(world, { ...planned(['bytes']), references }, 0)
    const bytes = Buffer.from('an image').toString('base64')
    expect(world.calls[0]?.call.body).toMatchObject({ references: [bytes], mask: bytes })
    expect(viewOf(record, plainLinks('')).request).toMatchObject({
      reference_images: [{ image: 'img_r', width: 8 }],
      mask: { image: 'img_m', sha256: 'ab', width: 8, height: 8 },
    })
  })

  test('is polled until it is done, as often as the vendor asked', async () => {
    let polls = 0
    const world = createWorld({
      script: (call) => (call.purpose === 'submit' || ++polls < 3 ? pending() : done('https://cdn.example/1.jpg')),
    })
    const record = planned(['alpha'])
    expect((await runFor(world, record, 2_500)).status).toBe('running')
    await world.clock.pass(1_000)
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'succeeded', attempts: [{ polls: 3 }] })
    expect(world.submits()).toBe(1)
  })

  test('shows the vendor’s progress as events, one for each twentieth it grew', async () => {
    const reported = [0.2, 0.22, 0.6, 0.6]
    let polls = 0
    const world = createWorld({
      script: (call) => {
        if (call.purpose === 'submit') return pending()
        const progress = reported[polls++]
        return progress === undefined ? done('https://cdn.example/1.jpg') : pending({ progress })
      },
    })
    const { timeline } = await runFor(world, planned(['alpha']), 20_000)
    expect(timeline.map(({ type, progress }) => [type, progress])).toEqual([
      ['queued', null],
      ['running', null],
      ['progress', 0.2],
      ['progress', 0.6],
      ['succeeded', null],
    ])
  })

  test('that outlives the provider’s deadline fails as possibly billed and is not bought elsewhere', async () => {
    const world = createWorld({ script: () => pending() })
    const record = await runFor(world, planned(['alpha', 'beta']), 70_000)
    expect(record.error).toMatchObject({ code: 'provider_timeout', billed: 'unknown', retryable: false })
    expect(record.attempts).toHaveLength(1)
    expect(viewOf(record, plainLinks('')).cost).toMatchObject({ amount: null, basis: 'unknown' })
  })

  test('keeps the images of a batch that came before the deadline, and says that the others did not', async () => {
    const images = [{ source: { kind: 'url', url: 'https://cdn.example/1.jpg' }, seed: '7' }] as const
    const polls: Sent[] = [pending({ images }), refused(404)]
    const world = createWorld({ script: (call) => (call.purpose === 'submit' ? pending() : (polls.shift() ?? refused(404))) })
    const record = await runFor(world, planned(['alpha'], { tasks: [2] }), 130_000)
    expect(record).toMatchObject({ status: 'succeeded', images: [{ seed: '7' }] })
    expect(record.attempts).toMatchObject([{ error: { code: 'outcome_unknown', billed: true } }])
    expect(world.run.inFlight('alpha')).toBe(0)
  })

  test('keeps polling through polls that fail on the way', async () => {
    const answers: Sent[] = [{ kind: 'lost', reason: 'reset' }, { kind: 'unsent', reason: 'refused' }, done('https://cdn.example/1.jpg')]
    const world = createWorld({ script: (call) => (call.purpose === 'submit' ? pending() : (answers.shift() ?? pending())) })
    expect((await runFor(world, planned(['alpha']), 5_000)).status).toBe('succeeded')
    expect(world.submits()).toBe(1)
  })

  test('whose vendor sends an unknown status is still pending and the log says so', async () => {
    const world = createWorld({
      script: (call) => (call.purpose === 'submit' ? pending({ note: 'unknown status "Dreaming"' }) : done('https://cdn.example/1.jpg')),
    })
    expect((await runFor(world, planned(['alpha']), 2_000)).status).toBe('succeeded')
    expect(world.logged.filter(({ level, fields }) => level === 'warn' && 'note' in fields)).toMatchObject([
      { fields: { note: 'unknown status "Dreaming"' } },
    ])
  })

  test('ends as an internal error, not a crash, where an adapter has a defect', async () => {
    const world = createWorld({
      script: () => {
        throw new Error('defect')
      },
    })
    const record = await runFor(world, planned(['alpha', 'beta']), 0)
    expect(record.error).toMatchObject({ code: 'internal', billed: 'unknown' })
    expect(world.run.inFlight('alpha')).toBe(0)
  })

  test('whose intent cannot be written to disk buys nothing', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const broken = createWorld({
      script: () => done('https://cdn.example/1.jpg'),
      store: { ...world.store, commit: () => Promise.reject(new Error('disk full')) },
    })
    await expect(broken.run.accept(planned(['alpha']), null)).rejects.toThrow('disk full')
    await settled()
    expect(broken.submits()).toBe(0)
    expect(broken.run.openCount).toBe(0)
    expect(broken.run.inFlight('alpha')).toBe(0)
  })
})

test('an end that the disk refuses is written as soon as it has space, and seen only then', async () => {
  const world = createWorld({ script: (call) => (call.purpose === 'submit' ? pending() : done('https://cdn.example/1.jpg')) })
  const { commit } = world.store
  let isFull = false
  const broken = createWorld({
    script: (call) => (call.purpose === 'submit' ? pending() : done('https://cdn.example/1.jpg')),
    store: { ...world.store, commit: (unit) => (isFull ? Promise.reject(new Error('disk full')) : commit(unit)) },
  })
  const record = planned(['alpha'])
  await runFor(broken, record, 0)
  isFull = true
  const waiting = broken.run.wait(record.id, 60_000)
  await broken.clock.pass(5_000)
  expect((await onDisk(broken, record.id)).status).toBe('running')
  isFull = false
  await broken.clock.pass(5_000)
  expect((await waiting)?.status).toBe('succeeded')
  expect((await onDisk(broken, record.id)).images).toHaveLength(1)
  expect(broken.submits()).toBe(1)
})

describe('a generation that is refused as it is put on disk', () => {
  test('leaves no row, buys nothing and gives its slot back', async () => {
    const world = createWorld({ maxInFlight: 1, script: () => done('https://cdn.example/1.jpg') })
    const entry = { scope: '', key: 'k', bodyHash: 'b', createdAt: 1 }
    const first = planned(['alpha'])
    const second = planned(['alpha'])
    await world.run.accept(first, { ...entry, generationId: first.id })
    await expect(world.run.accept(second, { ...entry, generationId: second.id })).rejects.toThrow(IdempotencyConflict)
    await world.clock.pass(10_000)
    expect((await world.store.list({ limit: 10 })).records.map(({ id }) => id)).toEqual([first.id])
    expect(world.submits()).toBe(1)
    expect([world.run.inFlight('alpha'), world.run.openCount]).toEqual([0, 0])
  })
})

describe('a failure', () => {
  test('that provably cost nothing makes the next provider’s turn', async () => {
    const world = createWorld({
      script: (_, provider) => (provider === 'alpha' ? failed('insufficient_credit', false) : done('https://cdn.example/1.jpg')),
    })
    const generation = viewOf(await runFor(world, planned(['alpha', 'beta']), 0), plainLinks(''))
    expect(generation).toMatchObject({ status: 'succeeded', provider: 'beta', cost: { amount: '0.05', basis: 'billed' } })
    expect(generation.attempts.map(({ provider, status, cost }) => [provider, status, cost.amount])).toEqual([
      ['alpha', 'failed', '0'],
      ['beta', 'succeeded', '0.05'],
    ])
  })

  test.for([
    ['a moderation', failed('moderated', false)],
    ['a 5xx that may have sold something', failed('provider_unavailable', 'unknown')],
    ['a billed refusal', failed('provider_rejected', true)],
  ] as const)('never falls back after %s', async ([, sent]) => {
    const world = createWorld({ script: () => sent })
    const record = await runFor(world, planned(['alpha', 'beta']), 60_000)
    expect(record.status).toBe('failed')
    expect(world.calls.map(({ provider }) => provider)).toEqual(['alpha'])
  })

  test('to connect is tried at the next provider, since nothing was sent', async () => {
    const world = createWorld({
      script: (_, provider) => (provider === 'alpha' ? { kind: 'unsent', reason: 'ECONNREFUSED' } : done('https://cdn.example/1.jpg')),
    })
    const record = await runFor(world, planned(['alpha', 'beta']), 0)
    expect(record).toMatchObject({
      status: 'succeeded',
      attempts: [{ error: { code: 'provider_unavailable', billed: false } }, { status: 'succeeded' }],
    })
  })

  test('to connect at the only provider is tried four times, ever later', async () => {
    const world = createWorld({ script: () => ({ kind: 'unsent', reason: 'ECONNREFUSED' }) })
    const record = await runFor(world, planned(['alpha']), 60_000)
    expect(record.attempts.map(({ startedAt }) => startedAt)).toHaveLength(4)
    expect(record.error).toMatchObject({ code: 'provider_unavailable', billed: false, retryable: true })
    expect(viewOf(record, plainLinks('')).cost).toMatchObject({ amount: '0', basis: 'computed' })
  })

  test('that the only provider answers with an outage is not repeated there, since the submit arrived', async () => {
    const world = createWorld({ script: () => failed('provider_unavailable', false, { provider_status: 503 }) })
    const record = await runFor(world, planned(['alpha']), 60_000)
    expect(record).toMatchObject({ status: 'failed', error: { code: 'provider_unavailable', billed: false } })
    expect(world.submits()).toBe(1)
  })

  test('by rate limit waits as long as the vendor said where there is no other provider', async () => {
    let submits = 0
    const world = createWorld({
      script: () => (++submits === 1 ? failed('rate_limited', false, { retry_after_ms: 10_000 }) : done('https://cdn.example/1.jpg')),
    })
    const record = planned(['alpha'])
    await runFor(world, record, 9_000)
    expect(submits).toBe(1)
    await world.clock.pass(2_000)
    expect((await onDisk(world, record.id)).status).toBe('succeeded')
  })

  test('by rate limit holds back every other task of that provider', async () => {
    let submits = 0
    const world = createWorld({
      script: () => (++submits === 1 ? failed('rate_limited', false, { retry_after_ms: 10_000 }) : done('https://cdn.example/1.jpg')),
    })
    await runFor(world, planned(['alpha', 'beta']), 0)
    await runFor(world, planned(['alpha']), 5_000)
    expect(world.calls.filter(({ provider }) => provider === 'alpha')).toHaveLength(1)
    await world.clock.pass(6_000)
    expect(world.calls.filter(({ provider }) => provider === 'alpha')).toHaveLength(2)
  })
})

describe('a lost submit reply', () => {
  test('ends as outcome unknown where the vendor cannot be asked, and is never sent again or bought elsewhere', async () => {
    const world = createWorld({ script: () => ({ kind: 'lost', reason: 'reset' }) })
    const record = await runFor(world, planned(['alpha', 'beta']), 120_000)
    expect(record.error).toMatchObject({ code: 'outcome_unknown', billed: 'unknown' })
    expect(world.submits()).toBe(1)
  })

  test('is asked for where the vendor can be asked', async () => {
    const world = createWorld({
      recover: true,
      script: (call) => (call.purpose === 'submit' ? { kind: 'lost', reason: 'reset' } : done('https://cdn.example/1.jpg')),
    })
    const record = await runFor(world, planned(['alpha']), 1_000)
    expect(record).toMatchObject({ status: 'succeeded' })
    expect(world.calls.map(({ call }) => call.purpose)).toEqual(['submit', 'recover'])
    expect(world.calls[1]?.call).toEqual(recoverCall)
  })
})

describe('several images', () => {
  test('of a vendor without batches are several paid tasks with different seeds', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const record = await runFor(world, planned(['alpha'], { tasks: [1, 1, 1], seed: 40 }), 0)
    expect(record.images).toHaveLength(3)
    expect(world.calls.map(({ call }) => (call.body as { seed: string }).seed)).toEqual(['40', '41', '42'])
    expect(viewOf(record, plainLinks('')).cost.amount).toBe('0.15')
  })

  test('of which one fails are a success that says how many are missing', async () => {
    let submits = 0
    const world = createWorld({ script: () => (++submits === 2 ? failed('moderated', false) : done('https://cdn.example/1.jpg')) })
    const record = await runFor(world, planned(['alpha', 'beta'], { tasks: [1, 1, 1] }), 0)
    expect(record).toMatchObject({ status: 'succeeded', warnings: [{ code: 'adjusted', field: 'n', requested: 3, used: 2 }] })
    expect(world.submits()).toBe(3)
  })

  test('one of which is rate limited is bought here later, since its siblings were bought here', async () => {
    let submits = 0
    const world = createWorld({
      script: () => (++submits === 2 ? failed('rate_limited', false, { retry_after_ms: 1_000 }) : done('https://cdn.example/1.jpg')),
    })
    const record = await runFor(world, planned(['alpha', 'beta'], { tasks: [1, 1] }), 5_000)
    expect(record.images).toHaveLength(2)
    expect(new Set(world.calls.map(({ provider }) => provider))).toEqual(new Set(['alpha']))
  })

  test('with one unknown cost have an unknown cost together', async () => {
    let submits = 0
    const world = createWorld({ script: () => (++submits === 1 ? { kind: 'lost', reason: 'reset' } : done('https://cdn.example/1.jpg')) })
    const record = await runFor(world, planned(['alpha'], { tasks: [1, 1] }), 0)
    expect(viewOf(record, plainLinks(''))).toMatchObject({ status: 'succeeded', cost: { amount: null, basis: 'unknown' } })
  })
})

describe('tasks in flight', () => {
  test('are never more than the provider takes, and the next begins when one ends', async () => {
    const answers: ((sent: Sent) => void)[] = []
    const world = createWorld({ maxInFlight: 2, script: () => new Promise<Sent>((resolve) => answers.push(resolve)) })
    await runFor(world, planned(['alpha'], { tasks: [1, 1, 1] }), 0)
    expect([world.submits(), world.run.waiting('alpha')]).toEqual([2, 1])
    answers[0]?.(done('https://cdn.example/1.jpg'))
    await settled()
    expect([world.submits(), world.run.waiting('alpha')]).toEqual([3, 0])
  })

  test('of a hung provider do not hold up another provider', async () => {
    const world = createWorld({
      maxInFlight: 1,
      script: (_, provider) => (provider === 'alpha' ? new Promise<Sent>(() => {}) : done('https://cdn.example/1.jpg')),
    })
    await runFor(world, planned(['alpha']), 0)
    await runFor(world, planned(['alpha']), 0)
    expect((await runFor(world, planned(['beta']), 0)).status).toBe('succeeded')
  })

  test('that find no slot until the deadline cost nothing and go to the next provider', async () => {
    const world = createWorld({
      maxInFlight: 1,
      script: (_, provider) => (provider === 'alpha' ? new Promise<Sent>(() => {}) : done('https://cdn.example/1.jpg')),
    })
    await runFor(world, planned(['alpha']), 0)
    const record = await runFor(world, planned(['alpha', 'beta']), 61_000)
    expect(record).toMatchObject({
      status: 'succeeded',
      attempts: [{ error: { code: 'rate_limited', billed: false } }, { status: 'succeeded' }],
    })
  })
})

describe('cancel', () => {
  test('before the submit costs nothing and says so', async () => {
    const world = createWorld({ maxInFlight: 1, script: () => new Promise<Sent>(() => {}) })
    await runFor(world, planned(['alpha']), 0)
    const record = planned(['alpha'])
    await runFor(world, record, 0)
    const canceled = await world.run.cancel(record.id)
    expect(canceled).toMatchObject({ status: 'canceled', error: { code: 'canceled', billed: false } })
    expect(world.run.waiting('alpha')).toBe(0)
  })

  test('after the submit stops polling and says that the vendor may bill', async () => {
    const world = createWorld({ script: () => pending() })
    const record = planned(['alpha', 'beta'])
    await runFor(world, record, 0)
    expect(await world.run.cancel(record.id)).toMatchObject({ status: 'canceled', error: { code: 'canceled', billed: 'unknown' } })
    await world.clock.pass(120_000)
    expect(world.calls).toHaveLength(1)
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'canceled' })
    expect(world.run.inFlight('alpha')).toBe(0)
  })

  test('while the intent is written sends nothing', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const record = planned(['alpha'])
    const accepted = world.run.accept(record, null)
    const canceled = world.run.cancel(record.id)
    await Promise.all([accepted, canceled])
    await world.clock.pass(1_000)
    expect(world.submits()).toBe(0)
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'canceled' })
    expect([world.run.inFlight('alpha'), world.run.openCount]).toEqual([0, 0])
  })

  test('during the submit still writes down what was bought', async () => {
    let answer: (sent: Sent) => void = () => {}
    const world = createWorld({ script: () => new Promise<Sent>((resolve) => (answer = resolve)) })
    const record = planned(['alpha'])
    await runFor(world, record, 0)
    await world.run.cancel(record.id)
    answer(pending())
    await settled()
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'canceled', attempts: [{ providerTaskId: 'vendor-1' }] })
    expect(world.run.openCount).toBe(0)
  })

  test('of what has ended changes nothing', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg') })
    const record = await runFor(world, planned(['alpha']), 0)
    expect(await world.run.cancel(record.id)).toBeNull()
    expect(await onDisk(world, record.id)).toEqual(record)
  })
})

describe('waiting', () => {
  test('ends with the generation, and many may wait', async () => {
    const world = createWorld({ script: (call) => (call.purpose === 'submit' ? pending() : done('https://cdn.example/1.jpg')) })
    const record = planned(['alpha'])
    await world.run.accept(record, null)
    const waiting = Promise.all([world.run.wait(record.id, 60_000), world.run.wait(record.id, 60_000)])
    await world.clock.pass(2_000)
    expect((await waiting).map((one) => one?.status)).toEqual(['succeeded', 'succeeded'])
  })

  test('ends with its time, with the generation as it is', async () => {
    const world = createWorld({ script: () => pending() })
    const record = planned(['alpha'])
    await world.run.accept(record, null)
    const waiting = world.run.wait(record.id, 3_000)
    await world.clock.pass(3_100)
    expect((await waiting)?.status).toBe('running')
  })

  test('for what there is not, ends at once', async () => {
    expect(await createWorld({ script: () => pending() }).run.wait('gen_none', 1_000)).toBeNull()
  })
})

test('a vendor’s answer without any image is a bad reply, not a success', async () => {
  const world = createWorld({ script: () => says({ kind: 'done', images: [] }) })
  expect((await runFor(world, planned(['alpha', 'beta']), 0)).error).toMatchObject({ code: 'bad_reply', billed: 'unknown' })
})
