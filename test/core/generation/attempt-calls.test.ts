import { describe, expect, test } from 'vitest'
import { createWorld, done, failed, onDisk, pending, planned, refused, runFor, type World } from './world.ts'
import { createRun } from '../../../src/core/generation/run.ts'

const kept = async (world: World, id: string, attempt = 1) => {
  const record = await world.store.attemptCalls(id, attempt)
  return (
    record && {
      complete: record.complete,
      calls: record.data.map(({ purpose, outcome, repeated, reply }) => [purpose, reply?.status ?? outcome, repeated]),
    }
  )
}

describe('an attempt that ends', () => {
  test('keeps its submit and its last poll, with what was said and answered', async () => {
    let polls = 0
    const world = createWorld({
      script: (call) => (call.purpose === 'submit' || ++polls < 4 ? pending() : done('https://cdn.example/1.jpg?sig=x')),
    })
    const record = planned(['alpha'], { request: { prompt: 'a fox' } })
    await runFor(world, record, 1_500)
    expect(await world.store.attemptCalls(record.id, 1)).toBe(null)
    expect(world.run.calls(record.id, 1)).toMatchObject({ complete: false, data: [{ purpose: 'submit' }, { purpose: 'poll' }] })
    await world.clock.pass(10_000)
    expect(await kept(world, record.id)).toEqual({
      complete: true,
      calls: [
        ['submit', 200, 1],
        ['poll', 200, 1],
      ],
    })
    const { data = [] } = (await world.store.attemptCalls(record.id, 1)) ?? {}
    expect(data[0]).toMatchObject({ method: 'POST', url: '/submit', body_truncated: false, sent_at: '1970-01-01T00:16:40.000Z' })
    expect(JSON.parse(data[0]?.body ?? '')).toEqual({ task: expect.any(String), seed: null, references: [] })
    expect(data[1]?.reply?.body).toContain('"url":"https://cdn.example/1.jpg"')
    expect(world.run.calls(record.id, 1)).toBe(null)
  })

  test('keeps each failure, one line for those in a row that are alike, and never more than ten calls', async () => {
    let polls = 0
    const answers = [refused(503), refused(503), refused(503), pending(), { kind: 'lost', reason: 'no reply' } as const, refused(404)]
    const world = createWorld({
      script: (call) => (call.purpose === 'submit' ? pending() : (answers[polls++] ?? done('https://cdn.example/1.jpg'))),
    })
    const record = planned(['alpha'])
    await runFor(world, record, 60_000)
    expect((await kept(world, record.id))?.calls).toEqual([
      ['submit', 200, 1],
      ['poll', 200, 3],
      ['poll', 'lost', 1],
      ['poll', 200, 1],
      ['poll', 200, 1],
    ])
    let count = 0
    const endless = createWorld({
      script: (call) => (call.purpose === 'submit' ? pending() : { kind: 'lost', reason: `lost ${count++}` }),
    })
    const other = planned(['alpha'])
    await runFor(endless, other, 600_000)
    const { data = [] } = (await endless.store.attemptCalls(other.id, 1)) ?? {}
    expect([data.length, data[0]?.purpose, data.at(-1)?.reason]).toEqual([10, 'submit', `lost ${count - 1}`])
  })

  test('keeps the calls of each try apart, and nothing where nothing was sent', async () => {
    const world = createWorld({
      script: (_, provider) => (provider === 'alpha' ? failed('provider_unavailable', false) : done('https://cdn.example/1.jpg')),
      availability: (provider) => (provider === 'beta' ? { kind: 'off', reason: 'no key' } : { kind: 'open' }),
    })
    const record = planned(['alpha', 'beta', 'gamma'])
    expect((await runFor(world, record, 20_000)).attempts).toHaveLength(3)
    expect(await Promise.all([1, 2, 3].map((number) => kept(world, record.id, number)))).toEqual([
      { complete: true, calls: [['submit', 200, 1]] },
      null,
      { complete: true, calls: [['submit', 200, 1]] },
    ])
  })

  test('says that calls are missing where a process before it made some', async () => {
    let isDone = false
    const world = createWorld({ script: () => (isDone ? done('https://cdn.example/1.jpg') : pending()) })
    const record = planned(['alpha'])
    await runFor(world, record, 500)
    world.run.stop()
    isDone = true
    const run = createRun(world.ports)
    await run.resume()
    await world.clock.pass(10_000)
    expect((await onDisk(world, record.id)).status).toBe('succeeded')
    expect(await kept(world, record.id)).toEqual({ complete: false, calls: [['poll', 200, 1]] })
  })

  test('shows neither the address of its callback nor the secret that goes with it', async () => {
    const hook = { url: 'https://gate.example/v1/hooks/alpha/very-private-token', secret: 'very-private-secret' }
    const world = createWorld({
      script: () => done('https://cdn.example/1.jpg'),
      hooks: { isOn: () => true, webhookFor: () => hook },
      adapter: {
        options: (await import('zod')).z.object({}),
        translate: ({ webhook }) => ({
          call: {
            purpose: 'submit',
            method: 'POST',
            url: `/submit?to=${webhook?.url}`,
            body: { hook: webhook?.url ?? '', with: webhook?.secret ?? '' },
          },
          warnings: [],
        }),
        interpret: (reply) => reply.body as never,
      },
    })
    const record = planned(['alpha'])
    await runFor(world, record, 100)
    const text = JSON.stringify(await world.store.attemptCalls(record.id, 1))
    expect(text).toContain('"complete":true')
    expect(text).not.toContain('very-private')
  })
})
