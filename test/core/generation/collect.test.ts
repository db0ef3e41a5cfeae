import { describe, expect, test } from 'vitest'
import { viewOf } from '../../../src/core/present/generation.ts'
import { nextPassMs } from '../../../src/core/generation/collect.ts'
import type { Downloaded } from '../../../src/core/ports.ts'
import { createWorld, done, onDisk, pending, image, planned, runFor, says } from './world.ts'
import { plainLinks } from '../../../src/core/present/image-link.ts'

const polledTo = (url: string) => (call: { purpose: string }) => (call.purpose === 'submit' ? pending() : done(url))
const DEAD: Downloaded = { kind: 'expired', status: 403 }

describe('a delivered image', () => {
  test('is the same one by its id where the links that are asked for again come in another order', async () => {
    const listed = (id: string, link: string) => ({
      id,
      source: { kind: 'url' as const, url: `https://cdn.example/${link}.jpg` },
      seed: id,
    })
    let polls = 0
    const world = createWorld({
      script(call) {
        if (call.purpose === 'submit') return pending()
        return says({
          kind: 'done',
          images: polls++ === 0 ? [listed('1', 'one'), listed('2', 'dead')] : [listed('2', 'two'), listed('1', 'x')],
        })
      },
      download: (url) => (url.includes('dead') ? DEAD : image(url)),
    })
    const record = await runFor(world, planned(['alpha'], { tasks: [2] }), 10_000)
    expect(record.images.map(({ seed }) => seed)).toEqual(['1', '2'])
    expect(world.downloads).toEqual(['one', 'dead', 'two'].map((link) => `https://cdn.example/${link}.jpg`))
  })

  test('whose link is dead is asked for once more and then stored', async () => {
    let polls = 0
    const world = createWorld({
      script: (call) =>
        call.purpose === 'submit' ? pending() : done(++polls === 1 ? 'https://cdn.example/dead.jpg' : 'https://cdn.example/fresh.jpg'),
      download: (url) => (url.includes('dead') ? DEAD : image()),
    })
    const record = await runFor(world, planned(['alpha']), 2_000)
    expect(record.status).toBe('succeeded')
    expect(world.downloads).toEqual(['https://cdn.example/dead.jpg', 'https://cdn.example/fresh.jpg'])
    expect(world.submits()).toBe(1)
  })

  test('whose link stays dead until it expires ends as result expired with its cost kept, and is not bought elsewhere', async () => {
    const world = createWorld({ script: polledTo('https://cdn.example/dead.jpg'), download: () => DEAD })
    const record = planned(['alpha', 'beta'])
    expect((await runFor(world, record, 500_000)).status).toBe('running')
    await world.clock.pass(200_000)
    expect(viewOf(await onDisk(world, record.id), plainLinks(''))).toMatchObject({
      status: 'failed',
      error: { code: 'result_expired', billed: true },
      cost: { amount: '0.05', basis: 'billed' },
    })
    expect(world.submits()).toBe(1)
  })

  test.for([
    ['a link that answers 404', DEAD],
    ['a server error', { kind: 'failed', reason: 'the server answered 503', retryable: true }],
    ['bytes that are not an image', () => image('this is not an image')],
  ] as const)('behind %s for a minute is stored once it is there', async ([, odd]) => {
    let isThere = false
    const world = createWorld({
      script: polledTo('https://cdn.example/1.jpg'),
      download: () => (isThere ? image() : typeof odd === 'function' ? odd() : odd),
    })
    const record = planned(['alpha'])
    expect((await runFor(world, record, 60_000)).status).toBe('running')
    isThere = true
    await world.clock.pass(40_000)
    expect(await onDisk(world, record.id)).toMatchObject({ status: 'succeeded', attempts: [{ cost: { amount: '0.05' } }] })
    expect([world.submits(), world.downloads.length < 12]).toEqual([1, true])
  })

  test('that stays half is fetched ever more seldom, at least every five minutes, and once more just before its link dies', () => {
    const lifeMs = 3_600_000
    const fetchedAt = [0]
    for (let at = 0, waitMs = nextPassMs(1, lifeMs); waitMs !== null; waitMs = nextPassMs(fetchedAt.length, lifeMs - at))
      fetchedAt.push((at += waitMs))
    const waits = fetchedAt.slice(1).map((at, index) => at - (fetchedAt[index] ?? 0))
    expect(Math.max(...waits)).toBe(300_000)
    expect(waits.slice(0, -1)).toEqual(waits.slice(0, -1).toSorted((a, b) => a - b))
    expect(fetchedAt.at(-1)).toBe(3_590_000)
    // What a hundred of them ask for in a second, after the first minute and a half.
    expect((fetchedAt.filter((at) => at > 90_000).length * 100) / 3_500).toBeLessThan(0.4)
  })

  test('that comes twice in one reply is one image', async () => {
    const world = createWorld({ script: () => done('https://cdn.example/1.jpg', 'https://cdn.example/1.jpg') })
    expect((await runFor(world, planned(['alpha']), 0)).images).toHaveLength(1)
  })

  test('that could not be fetched is fetched again while the link lives', async () => {
    let tries = 0
    const world = createWorld({
      script: polledTo('https://cdn.example/1.jpg'),
      download: () => (++tries < 3 ? { kind: 'failed', reason: '503', retryable: true } : image()),
    })
    expect((await runFor(world, planned(['alpha']), 5_000)).status).toBe('succeeded')
  })

  test('is not fetched again after its link must have died', async () => {
    const world = createWorld({
      script: (call) =>
        call.purpose === 'submit'
          ? pending()
          : says({
              kind: 'done',
              images: [{ source: { kind: 'url', url: 'https://cdn.example/1.jpg' }, expiresAt: new Date(1_000_000 + 2_000).toISOString() }],
            }),
      download: () => ({ kind: 'failed', reason: '503', retryable: true }),
    })
    const record = await runFor(world, planned(['alpha']), 300_000)
    expect(record.error).toMatchObject({ code: 'bad_reply', billed: true })
    expect(world.downloads.length).toBeLessThanOrEqual(4)
  })

  test('that is still not an image when its link expires is a bad reply, paid for', async () => {
    const world = createWorld({ script: polledTo('https://cdn.example/1.jpg'), download: () => image('this is not an image') })
    const record = await runFor(world, planned(['alpha', 'beta']), 700_000)
    expect(viewOf(record, plainLinks(''))).toMatchObject({ error: { code: 'bad_reply', billed: true }, cost: { amount: '0.05' } })
  })

  test('whose link points inside our network is never fetched', async () => {
    const world = createWorld({
      script: polledTo('http://169.254.169.254/'),
      download: () => ({ kind: 'refused', reason: 'not a public address' }),
    })
    expect((await runFor(world, planned(['alpha']), 2_000)).error).toMatchObject({ code: 'bad_reply' })
  })

  test('in the reply itself is stored without a download', async () => {
    const world = createWorld({
      script: () => says({ kind: 'done', images: [{ source: { kind: 'base64', data: Buffer.from('bytes').toString('base64') } }] }),
    })
    const record = await runFor(world, planned(['alpha']), 0)
    expect(record.images[0]).toMatchObject({ bytes: 5, link: null })
    expect(world.downloads).toEqual([])
  })

  test('of another size than ordered is kept, with a warning', async () => {
    const record = planned(['alpha'])
    const other = {
      ...record,
      routes: record.routes.map((route) => ({ ...route, applied: { ...route.applied, width: 512, height: 512 } })),
    }
    const stored = await runFor(createWorld({ script: () => done('https://cdn.example/1.jpg') }), other, 0)
    expect(stored.warnings).toMatchObject([
      { code: 'adjusted', requested: { width: 512, height: 512 }, used: { width: 1024, height: 1024 } },
    ])
  })

  test('is not fetched where images are not kept: the vendor’s link and its end are returned', async () => {
    const world = createWorld({ keepImages: false, script: () => done('https://cdn.example/1.jpg?sig=x') })
    const { images } = viewOf(await runFor(world, planned(['alpha']), 0), plainLinks(''))
    expect(images).toMatchObject([
      { url: 'https://cdn.example/1.jpg?sig=x', sha256: null, width: null, expires_at: new Date(1_600_000).toISOString() },
    ])
    expect(world.downloads).toEqual([])
  })
})

test('two of three delivered images are a success with the failure of the third in its attempt', async () => {
  const world = createWorld({
    script: () =>
      says({
        kind: 'done',
        images: ['a', 'dead', 'c'].map((name) => ({ source: { kind: 'url', url: `https://cdn.example/${name}.jpg` } })),
      }),
    download: (url) => (url.includes('dead') ? { kind: 'failed', reason: '400', retryable: false } : image()),
  })
  const record = await runFor(world, planned(['alpha'], { tasks: [3] }), 0)
  expect(viewOf(record, plainLinks(''))).toMatchObject({
    status: 'succeeded',
    images: [{}, {}],
    attempts: [{ status: 'succeeded', error: { code: 'bad_reply', billed: true } }],
  })
})

test('a cost the vendor does not report is computed from what was delivered', async () => {
  const world = createWorld({
    script: () => says({ kind: 'done', images: [{ source: { kind: 'url', url: 'https://cdn.example/1.jpg' } }] }),
  })
  const { cost } = viewOf(await runFor(world, planned(['alpha']), 0), plainLinks(''))
  expect(cost).toMatchObject({ amount: '0.04', basis: 'computed', lines: [{ quantity: 1, unit_amount: '0.04', amount: '0.04' }] })
})
