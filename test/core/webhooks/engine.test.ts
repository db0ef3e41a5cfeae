import { DatabaseSync } from 'node:sqlite'
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import type { GenerationRecord, WebhookDeliveryRecord, WebhookTarget } from '../../../src/core/records.ts'
import { createNotify } from '../../../src/core/webhooks/engine.ts'
import type { Post, Posted, Store } from '../../../src/core/ports.ts'
import type { WebhookFormat } from '../../../src/core/webhooks/format.ts'
import { newWebhookSecret, signedHeaders } from '../../../src/core/webhooks/signature.ts'
import { STANDARD, standardFormat } from '../../../src/core/webhooks/standard.ts'
import { migrate } from '../../../src/store/sqlite/migrations.ts'
import { sqliteStore } from '../../../src/store/sqlite/store.ts'
import { manualClock, planned, settled } from '../generation/world.ts'
import { plainLinks } from '../../../src/core/present/image-link.ts'

const HOUR_MS = 3_600_000
const OK: Posted = { kind: 'status', status: 200, retryAfterMs: null }
const BUSY: Posted = { kind: 'status', status: 503, retryAfterMs: null }

async function world(
  post: Post,
  { broken = (): boolean => false, delaysMs = [1_000, HOUR_MS], formats = [] as readonly (readonly [string, WebhookFormat])[] } = {},
) {
  const database = new DatabaseSync(':memory:')
  migrate(database)
  const disk = sqliteStore(database)
  const store: Store = { ...disk, commit: async (unit) => (broken() ? Promise.reject(new Error('disk full')) : disk.commit(unit)) }
  const clock = manualClock()
  const logged: string[] = []
  const log = (_: object, message: string) => void logged.push(message)
  const posted: string[] = []
  const notify = createNotify({
    store,
    clock,
    log: { info: log, warn: log, error: log },
    formats: new Map([
      [STANDARD, standardFormat({ links: plainLinks('https://gate.example'), secrets: () => [newWebhookSecret()] })],
      ...formats,
    ]),
    random: () => 0.5,
    delaysMs,
    post(url, message) {
      posted.push(url)
      return post(url, message)
    },
  })
  async function add(url: string, more: Partial<WebhookDeliveryRecord> = {}, target: Partial<WebhookTarget> = {}): Promise<string> {
    const webhook = { format: STANDARD, url, context: null, ...target }
    const generation: GenerationRecord = { ...planned(['alpha']), webhook }
    const id = more.id ?? `msg_${generation.id}`
    const now = clock.now()
    const common = {
      generationId: generation.id,
      key: null,
      type: 'generation.succeeded',
      status: 'pending',
      lastTry: null,
      endedAt: null,
    } as const
    await disk.commit({
      generations: [generation],
      deliveries: [{ ...common, id, url, createdAt: now, tries: 0, failures: 0, nextTryAt: now, ...more }],
    })
    return id
  }
  return { store: disk, clock, notify, posted, logged, add }
}

describe('the engine', () => {
  test('waits for what is planned later, with one alarm', async () => {
    const { clock, notify, posted, add } = await world(async () => OK)
    await add('https://a.example/1', { nextTryAt: clock.now() + 10 * HOUR_MS })
    notify.wake()
    await clock.pass(9 * HOUR_MS)
    expect(posted).toEqual([])
    await clock.pass(2 * HOUR_MS)
    expect(posted).toEqual(['https://a.example/1'])
  })

  test('goes on where the result of a try could not be written, once the claim is over', async () => {
    let isBroken = true
    const { clock, notify, posted, logged, add, store } = await world(async () => OK, { broken: () => isBroken })
    const id = await add('https://a.example/1')
    notify.wake()
    await settled()
    expect(logged).toEqual(['a webhook could not be tried or recorded'])
    isBroken = false
    await clock.pass(61_000)
    expect(posted).toHaveLength(2)
    expect((await store.delivery(id))?.status).toBe('delivered')
  })

  test('sends at most eight at once to one receiver, and the rest as they end', async () => {
    const held: (() => void)[] = []
    const { clock, notify, posted, add } = await world(() => new Promise((resolve) => void held.push(() => resolve(OK))))
    for (let count = 0; count < 20; count++) await add('https://slow.example/1')
    for (let wakes = 0; wakes < 3; wakes++) {
      notify.wake()
      await settled()
    }
    expect(posted).toHaveLength(8)
    await add('https://other.example/1')
    notify.wake()
    await clock.pass(100)
    expect(posted).toHaveLength(9)
    held[0]?.()
    await settled()
    expect(posted).toHaveLength(10)
  })

  test('a retry on request begins the schedule anew, and one under way is not doubled', async () => {
    const answers: ((posted: Posted) => void)[] = []
    const { clock, notify, posted, add, store } = await world(() => new Promise((resolve) => void answers.push(resolve)))
    const id = await add('https://a.example/1', { failures: 2, tries: 2 })
    notify.wake()
    await settled()
    expect(await notify.retry(id)).toMatchObject({ tries: 2 })
    answers[0]?.(BUSY)
    await settled()
    expect(await store.delivery(id)).toMatchObject({ status: 'failed', tries: 3 })
    expect(await notify.retry(id)).toMatchObject({ status: 'pending', failures: 0 })
    await settled()
    answers[1]?.(BUSY)
    await settled()
    expect(await store.delivery(id)).toMatchObject({ status: 'pending', tries: 4, nextTryAt: clock.now() + 1_000 })
    expect(posted).toHaveLength(2)
    expect(await notify.retry('msg_unknown')).toBeNull()
  })

  test('begins nothing after a stop, which waits for what is under way', async () => {
    const answer = Promise.withResolvers<Posted>()
    const { notify, posted, add, store } = await world(() => answer.promise)
    const id = await add('https://a.example/1')
    notify.wake()
    await settled()
    const stopped = notify.stop()
    await add('https://a.example/2')
    notify.wake()
    answer.resolve(OK)
    await stopped
    await settled()
    expect(posted).toHaveLength(1)
    expect((await store.delivery(id))?.status).toBe('delivered')
  })

  test('gives up what is about a generation that is not kept any more', async () => {
    const { notify, posted, add, store } = await world(async () => OK)
    const id = await add('https://a.example/1', { generationId: 'gen_gone' })
    notify.wake()
    await settled()
    expect(await store.delivery(id)).toMatchObject({ status: 'failed', lastTry: { reason: expect.stringContaining('not kept') } })
    expect(posted).toEqual([])
  })
})

test('a signature of any secret length is what the standard library computes itself', () => {
  for (const bytes of [24, 32, 64]) {
    const secret = `whsec_${Buffer.alloc(bytes, bytes).toString('base64')}`
    const body = '{"a":"ü 灯"}'
    const headers = signedHeaders([secret], 'msg_1', 1_700_000_000, body)
    expect(headers['webhook-signature']).toBe(new Webhook(secret).sign('msg_1', new Date(1_700_000_000_000), body))
  }
})

describe('a format of several messages', () => {
  const counted: WebhookFormat = {
    count: () => 3,
    render: async ({ target }, index) => ({ body: `${JSON.stringify(target.context)} ${index}`, headers: {} }),
  }

  test('is sent one after the other; a message that failed is tried again, and those before it are not', async () => {
    const sent: string[] = []
    const answers = [OK, BUSY, OK, OK]
    const post: Post = async (_url, { body }) => {
      sent.push(body as string)
      return answers[sent.length - 1] ?? OK
    }
    const { clock, notify, store, add } = await world(post, { formats: [['counted', counted]] })
    const id = await add('https://a.example/1', {}, { format: 'counted', context: { secret: 7 } })
    notify.wake()
    await clock.pass(500)
    expect(await store.delivery(id)).toMatchObject({ status: 'pending', taken: 1, failures: 1 })
    await clock.pass(2_000)
    expect(sent).toEqual(['{"secret":7} 0', '{"secret":7} 1', '{"secret":7} 1', '{"secret":7} 2'])
    expect(await store.delivery(id)).toMatchObject({ status: 'delivered', tries: 4 })
  })

  test('that this version does not know ends the delivery and says so', async () => {
    const { notify, store, add } = await world(async () => OK)
    const id = await add('https://a.example/1', {}, { format: 'of tomorrow' })
    notify.wake()
    await settled()
    expect(await store.delivery(id)).toMatchObject({ status: 'failed', lastTry: { reason: expect.stringContaining('of tomorrow') } })
  })
})

test('a wall clock that is set back does not put off a retry', async () => {
  let stepMs = 0
  const answers = [BUSY, OK]
  const { clock, notify, store, add, posted } = await world(async () => answers[posted.length - 1] ?? OK)
  const { now } = clock
  clock.now = () => now() + stepMs
  const id = await add('https://a.example/1')
  notify.wake()
  await settled()
  stepMs = -HOUR_MS
  await clock.pass(1_500)
  expect(await store.delivery(id)).toMatchObject({ status: 'delivered', tries: 2 })
})
