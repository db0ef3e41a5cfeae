import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook, WebhookVerificationError } from 'standardwebhooks'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { Generation, WebhookDelivery } from '#contract'
import { WebhookDeliveryList } from '../../src/http/api/webhook-deliveries.ts'
import { json, problem, launchGateway } from '../e2e/gateway.ts'
import type { Gateway, GatewayOptions } from '../e2e/gateway.ts'
import { headersOf, startReceiver } from './receiver.ts'
import type { Heard, Receiver } from './receiver.ts'

const ALLOW_LOOPBACK = 'network: { allow: ["127.0.0.0/8"] }\n'
const LONG_MS = 600_000
const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function gatewayWith(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await launchGateway({ config: ALLOW_LOOPBACK, webhookDelaysMs: [LONG_MS], ...options })
  closing.push(() => gateway.close())
  return gateway
}

async function receiverOf(...answer: Parameters<typeof startReceiver>): Promise<Receiver> {
  const receiver = await startReceiver(...answer)
  closing.push(() => receiver.close())
  return receiver
}

const folderForData = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-webhooks-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const verify = (heard: Heard, secret: string) =>
  new Webhook(secret).verify(heard.body, headersOf(heard)) as { type: string; timestamp: string; data: Generation }

const first = (receiver: Receiver): Heard => {
  const [heard] = receiver.heard
  if (!heard) throw new Error('nothing was heard')
  return heard
}

async function deliveriesOf(gateway: Gateway, query = '', headers: Record<string, string> = {}): Promise<readonly WebhookDelivery[]> {
  return WebhookDeliveryList.parse(await json(await gateway.ask(`/v1/webhooks/deliveries${query}`, { headers }))).data
}

/** The one delivery of a generation, once it is as wanted. */
async function deliveryWhen(
  gateway: Gateway,
  generationId: string,
  isWanted: (delivery: WebhookDelivery) => boolean,
): Promise<WebhookDelivery> {
  for (let polls = 0; polls < 400; polls++) {
    const [delivery] = await deliveriesOf(gateway, `?generation_id=${generationId}`)
    if (delivery && isWanted(delivery)) return delivery
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('the delivery never got there')
}

describe('a webhook', () => {
  test('is the whole generation, signed so that the standard library accepts it with the secret of the data folder', async () => {
    const dataDirectory = folderForData()
    const [gateway, receiver] = [await gatewayWith({ dataDirectory }), await receiverOf()]
    const generation = await gateway.generate({ webhook: { url: `${receiver.url}/hook?x=1` }, metadata: { order: '7' } })
    await receiver.hears(1)
    const file = join(dataDirectory, 'sandbox', 'webhook.secret')
    const event = verify(first(receiver), readFileSync(file, 'utf8').trim())
    expect(statSync(file).mode & 0o077).toBe(0)
    expect(event).toMatchObject({ type: 'generation.succeeded', timestamp: generation.completed_at })
    expect(Generation.parse(event.data)).toEqual(generation)
    const delivery = await deliveryWhen(gateway, generation.id, ({ status }) => status === 'delivered')
    expect(delivery).toMatchObject({
      url: `${receiver.url}/hook`,
      tries: 1,
      next_try_at: null,
      last_try: { status_code: 204, reason: null },
    })
    expect(first(receiver).headers['webhook-id']).toBe(delivery.id)
    expect(() => verify(first(receiver), newSecret())).toThrow(WebhookVerificationError)
  })

  test('is accepted with either of two secrets while they are being changed, and with no other', async () => {
    const [older, newer] = [newSecret(), newSecret()]
    const config = `${ALLOW_LOOPBACK}webhooks: { secrets: ["\${NEW_SECRET}", "\${OLD_SECRET}"] }\n`
    const gateway = await gatewayWith({ config, env: { NEW_SECRET: newer, OLD_SECRET: older } })
    const receiver = await receiverOf()
    await gateway.generate({ webhook: { url: receiver.url } })
    await receiver.hears(1)
    for (const secret of [older, newer]) expect(verify(first(receiver), secret).type).toBe('generation.succeeded')
    expect(first(receiver).headers['webhook-signature']).toMatch(/^v1,\S+ v1,\S+$/)
    expect(() => verify(first(receiver), newSecret())).toThrow(WebhookVerificationError)
  })

  test('is the failure of a generation that failed, and the cancellation of one that was canceled', async () => {
    const [gateway, receiver] = [await gatewayWith(), await receiverOf()]
    const failed = await gateway.generate({ model: 'bfl/flux-2-pro', prompt: 'sandbox:moderated', webhook: { url: receiver.url } })
    await receiver.hears(1)
    expect(JSON.parse(first(receiver).body)).toMatchObject({
      type: 'generation.failed',
      data: { id: failed.id, error: { code: 'moderated' } },
    })
    const open = await gateway.generate(
      { model: 'bfl/flux-2-pro', prompt: 'sandbox:never', webhook: { url: receiver.url } },
      { prefer: 'respond-async' },
    )
    await gateway.ask(`/v1/generations/${open.id}/cancel`, { method: 'POST' })
    await receiver.hears(2)
    expect(JSON.parse(receiver.heard[1]?.body ?? '')).toMatchObject({
      type: 'generation.canceled',
      data: { id: open.id, status: 'canceled' },
    })
  })

  test('is only the events that were asked for', async () => {
    const [gateway, receiver] = [await gatewayWith(), await receiverOf()]
    const webhook = { url: receiver.url, events: ['generation.failed'] }
    const unwanted = await gateway.generate({ webhook })
    const wanted = await gateway.generate({ model: 'bfl/flux-2-pro', prompt: 'sandbox:moderated', webhook })
    await receiver.hears(1)
    expect(receiver.heard.map(({ body }) => (JSON.parse(body) as { data: Generation }).data.id)).toEqual([wanted.id])
    expect(await deliveriesOf(gateway, `?generation_id=${unwanted.id}`)).toEqual([])
  })
})

describe('a delivery that fails', () => {
  test('is tried again, with the same id and a new signature, until the receiver takes it', async () => {
    const gateway = await gatewayWith({ webhookDelaysMs: [20, 20, 20] })
    const receiver = await receiverOf((response, count) => response.writeHead(count < 3 ? 500 : 200).end())
    const generation = await gateway.generate({ webhook: { url: receiver.url } })
    await receiver.hears(3)
    const delivery = await deliveryWhen(gateway, generation.id, ({ status }) => status === 'delivered')
    expect(delivery.tries).toBe(3)
    expect(new Set(receiver.heard.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([delivery.id]))
  })

  test('goes on after a restart, from where its schedule was', async () => {
    const dataDirectory = folderForData()
    const receiver = await receiverOf(503)
    const before = await launchGateway({ config: ALLOW_LOOPBACK, dataDirectory, webhookDelaysMs: [100, LONG_MS] })
    const generation = await before.generate({ webhook: { url: receiver.url } })
    await deliveryWhen(before, generation.id, ({ tries }) => tries === 1)
    await before.close()
    const heardBefore = receiver.heard.length
    receiver.answerWith(200)
    const after = await gatewayWith({ dataDirectory, webhookDelaysMs: [100, LONG_MS] })
    const delivery = await deliveryWhen(after, generation.id, ({ status }) => status === 'delivered')
    expect(delivery.tries).toBeGreaterThan(1)
    expect(receiver.heard.length).toBe(heardBefore + 1)
    // Signed with the secret that was generated before the restart.
    expect(
      verify(receiver.heard.at(-1) as Heard, readFileSync(join(dataDirectory, 'sandbox', 'webhook.secret'), 'utf8').trim()).data.id,
    ).toBe(generation.id)
  })

  test('is given up when its schedule is over, and says why', async () => {
    const gateway = await gatewayWith({ webhookDelaysMs: [10] })
    const receiver = await receiverOf(500)
    const generation = await gateway.generate({ webhook: { url: receiver.url } })
    const delivery = await deliveryWhen(gateway, generation.id, ({ status }) => status === 'failed')
    expect(delivery).toMatchObject({ tries: 2, next_try_at: null, last_try: { status_code: 500, reason: 'HTTP 500' } })
  })

  test('with 410 is never tried again by itself', async () => {
    const gateway = await gatewayWith({ webhookDelaysMs: [1, 1, 1] })
    const receiver = await receiverOf(410)
    const generation = await gateway.generate({ webhook: { url: receiver.url } })
    const delivery = await deliveryWhen(gateway, generation.id, ({ status }) => status === 'failed')
    expect(delivery).toMatchObject({ tries: 1, next_try_at: null, last_try: { status_code: 410 } })
    expect(receiver.heard).toHaveLength(1)
  })

  test('with a redirect is a failure, and nobody else hears of it', async () => {
    const canary = await receiverOf()
    const gateway = await gatewayWith()
    const receiver = await receiverOf((response) => response.writeHead(307, { location: canary.url }).end())
    const generation = await gateway.generate({ webhook: { url: receiver.url } })
    const delivery = await deliveryWhen(gateway, generation.id, ({ tries }) => tries === 1)
    expect(delivery).toMatchObject({ status: 'pending', last_try: { status_code: 307 } })
    expect(canary.heard).toEqual([])
  })

  test('is delivered again on request, with the same id', async () => {
    const [gateway, receiver] = [await gatewayWith(), await receiverOf(410)]
    const generation = await gateway.generate({ webhook: { url: receiver.url } })
    const failed = await deliveryWhen(gateway, generation.id, ({ status }) => status === 'failed')
    receiver.answerWith(200)
    const reply = await gateway.ask(`/v1/webhooks/deliveries/${failed.id}/retry`, { method: 'POST' })
    expect(reply.status).toBe(202)
    expect(WebhookDelivery.parse(await reply.json())).toMatchObject({ id: failed.id, status: 'pending', tries: 1 })
    const delivery = await deliveryWhen(gateway, generation.id, ({ status }) => status === 'delivered')
    expect(delivery).toMatchObject({ id: failed.id, tries: 2 })
    expect(receiver.heard[1]?.headers['webhook-id']).toBe(failed.id)
  })
})

test('a receiver that never answers holds up neither generations nor other receivers', async () => {
  const gateway = await gatewayWith()
  const held: (() => void)[] = []
  const slow = await receiverOf((response) => void held.push(() => response.writeHead(200).end()))
  const quick = await receiverOf()
  const many = Array.from({ length: 12 }, () => gateway.generate({ webhook: { url: slow.url } }))
  const slowOnes = await Promise.all(many)
  expect(slowOnes.every(({ status }) => status === 'succeeded')).toBe(true)
  await slow.hears(8)
  await gateway.generate({ webhook: { url: quick.url } })
  await quick.hears(1)
  expect(slow.heard).toHaveLength(8)
  slow.answerWith(200)
  for (const release of held) release()
  await slow.hears(12)
  await Promise.all(slowOnes.map(({ id }) => deliveryWhen(gateway, id, ({ status }) => status === 'delivered')))
})

describe('deliveries', () => {
  test('are listed newest first, by status, in pages', async () => {
    const [gateway, good, bad] = [await gatewayWith(), await receiverOf(), await receiverOf(410)]
    const ids: string[] = []
    for (const receiver of [good, bad, good]) ids.push((await gateway.generate({ webhook: { url: receiver.url } })).id)
    for (const id of ids) await deliveryWhen(gateway, id, ({ status }) => status !== 'pending')
    expect((await deliveriesOf(gateway)).map((delivery) => delivery.generation_id)).toEqual(ids.toReversed())
    expect((await deliveriesOf(gateway, '?status=failed')).map((delivery) => delivery.generation_id)).toEqual([ids[1]])
    const page = WebhookDeliveryList.parse(await json(await gateway.ask('/v1/webhooks/deliveries?limit=2')))
    expect(page).toMatchObject({ has_more: true })
    const rest = await deliveriesOf(gateway, `?limit=2&cursor=${page.next_cursor}`)
    expect(rest.map((delivery) => delivery.generation_id)).toEqual([ids[0]])
    const one = await gateway.ask(`/v1/webhooks/deliveries/${rest[0]?.id}`)
    expect(await one.json()).toEqual(rest[0])
  })

  test.each(['?status=lost', '?limit=0', '?cursor=x', '?generation=gen_1'])(
    'asked for with %s are refused with the field',
    async (query) => {
      const reply = await (await gatewayWith()).ask(`/v1/webhooks/deliveries${query}`)
      expect(reply.status).toBe(400)
      expect((await problem(reply)).errors?.[0]?.path).toBe(query.slice(1).split('=')[0])
    },
  )

  test('that do not exist are not found, to read or to retry', async () => {
    const gateway = await gatewayWith()
    expect((await gateway.ask('/v1/webhooks/deliveries/msg_1')).status).toBe(404)
    expect((await gateway.ask('/v1/webhooks/deliveries/msg_1/retry', { method: 'POST' })).status).toBe(404)
  })

  test('of one gateway key are nobody else’s', async () => {
    const hash = (key: string) => createHash('sha256').update(key).digest('hex')
    const keys = ['a', 'b'].map((name) => `{ name: ${name}, key_hash: ${hash(`key-${name}`)} }`).join(', ')
    const gateway = await gatewayWith({ config: `${ALLOW_LOOPBACK}keys: [${keys}]\n` })
    const receiver = await receiverOf(410)
    const [mine, others] = ['a', 'b'].map((name) => ({ authorization: `Bearer key-${name}` }))
    await gateway.generate({ webhook: { url: receiver.url } }, mine)
    await receiver.hears(1)
    const [delivery] = await deliveriesOf(gateway, '', mine)
    expect(await deliveriesOf(gateway, '', others)).toEqual([])
    expect((await gateway.ask(`/v1/webhooks/deliveries/${delivery?.id}`, { headers: others ?? {} })).status).toBe(404)
    expect((await gateway.ask(`/v1/webhooks/deliveries/${delivery?.id}/retry`, { method: 'POST', headers: others ?? {} })).status).toBe(404)
    expect((await gateway.ask('/v1/webhooks/deliveries')).status).toBe(401)
  })
})

describe('the URL of a webhook', () => {
  test.each([
    ['http://127.0.0.1:9/hook', ''],
    ['http://example.com/hook', ''],
    ['https://127.0.0.1/hook', ''],
    ['https://localhost/hook', ''],
    ['https://[::1]/hook', ''],
    ['https://169.254.169.254/latest', ''],
    ['https://user:pass@example.com/hook', ''],
    ['https://10.0.0.1/hook', 'network: { allow: ["127.0.0.0/8"] }\n'],
    ['http://8.8.8.8/hook', 'network: { allow: ["127.0.0.0/8"] }\n'],
  ])('%s is refused before anything is bought (%j)', async (url, config) => {
    const gateway = await gatewayWith({ config })
    const reply = await gateway.post('/v1/generations', { model: 'flux-2-pro', prompt: 'a lighthouse', webhook: { url } })
    expect(reply.status).toBe(400)
    expect(await problem(reply)).toMatchObject({ code: 'invalid_request', errors: [{ path: 'webhook.url' }] })
    expect(await json(await gateway.ask('/v1/generations'))).toMatchObject({ data: [] })
  })

  test('may be http to one service that is allowed by its port', async () => {
    const receiver = await receiverOf()
    const gateway = await gatewayWith({ config: `network: { allow: ["${new URL(receiver.url).host}"] }\n` })
    await gateway.generate({ webhook: { url: receiver.url } })
    await receiver.hears(1)
  })
})
