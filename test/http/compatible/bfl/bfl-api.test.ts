import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { json, launchGateway } from '../../../e2e/gateway.ts'
import type { Gateway } from '../../../e2e/gateway.ts'

type Reply = Record<string, unknown>

const submit = (gateway: Gateway, endpoint: string, body: unknown, headers: Record<string, string> = {}) =>
  gateway.post(`/bfl/v1/${endpoint}`, body, headers)

/** Polls as a client does, until the task has ended. */
async function ended(gateway: Gateway, pollingUrl: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  for (let polls = 0; polls < 400; polls++) {
    const reply = await json<Reply>(await fetch(String(pollingUrl), { headers }))
    if (reply['status'] !== 'Pending') return reply
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
  throw new Error(`${gateway.url} never ended the task`)
}

describe('a gateway without keys', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await launchGateway({
      config: 'models: { flux-2-pro: { route: { order: [runware] } } }\nnetwork: { allow: [127.0.0.1/32] }\n',
    })
  })
  afterAll(() => gateway.close())

  test('a task is submitted, polled at our own address and fetched; Runware serves it', async () => {
    const reply = await submit(gateway, 'flux-2-pro', { prompt: 'a lighthouse', width: 1536, height: 1024, seed: 7 })
    expect(reply.status).toBe(200)
    expect(reply.headers.get('x-imagegate-provider')).toBe('runware')
    const task = await json<Reply>(reply)
    expect(task).toEqual({
      id: expect.stringMatching(/^gen_/),
      polling_url: `${gateway.url}/bfl/v1/get_result?id=${String(task['id'])}`,
      cost: 4.5,
      input_mp: 0,
      output_mp: 1.5,
    })
    const done = await ended(gateway, task['polling_url'])
    expect(done).toMatchObject({ id: task['id'], status: 'Ready', result: { seed: 7 }, details: null })
    const { sample } = done['result'] as { sample: string }
    expect(await sharp(await (await fetch(sample)).bytes()).metadata()).toMatchObject({ width: 1536, height: 1024, format: 'jpeg' })
  })

  test.each([
    ['flux-2-max', {}, { model: 'flux-2-max', size: '1024x1024', format: 'jpeg' }],
    ['flux-2-klein-4b', { output_format: 'png' }, { model: 'flux-2-klein-4b', size: '1024x1024', format: 'png' }],
    ['flux-2-klein-9b', { width: 512, height: 768 }, { model: 'flux-2-klein-9b', size: '512x768', format: 'jpeg' }],
    ['flux-kontext-pro', {}, { model: 'flux-kontext-pro', size: '1024x1024', format: 'png' }],
    ['flux-kontext-max', { aspect_ratio: '2:1', output_format: 'jpeg' }, { model: 'flux-kontext-max', ratio: 2, format: 'jpeg' }],
    ['flux-pro-1.1-ultra', { raw: true }, { model: 'flux-1.1-pro-ultra', ratio: 16 / 9, format: 'jpeg' }],
    ['flux-3-image', { aspect_ratio: '3:2', resolution: '768sq', grounding: false }, { model: 'flux-3-image', ratio: 3 / 2 }],
  ] as const)('%s %j is served as BFL serves it, with nothing adapted', async (endpoint, body, expected) => {
    const task = await json<Reply>(await submit(gateway, endpoint, { prompt: 'a lighthouse', ...body }))
    expect(task).toMatchObject({ cost: expect.any(Number) })
    expect(await ended(gateway, task['polling_url'])).toMatchObject({ status: 'Ready' })
    const generation = await json<Generation>(await gateway.ask(`/v1/generations/${String(task['id'])}`))
    expect(generation).toMatchObject({ provider: 'bfl', model: expected.model, warnings: [] })
    const [image] = generation.images
    const [width, height] = [image?.width ?? 0, image?.height ?? 1]
    if ('size' in expected) expect(`${width}x${height}`).toBe(expected.size)
    else expect(width / height).toBeCloseTo(expected.ratio, 1)
    if ('format' in expected) expect(image?.format).toBe(expected.format)
  })

  test('the end has cost and provider in its headers, and warnings stay with the generation', async () => {
    const task = await json<Reply>(await submit(gateway, 'flux-2-pro', { prompt: 'a', width: 512, height: 512, raw: true }))
    await ended(gateway, task['polling_url'])
    const reply = await fetch(String(task['polling_url']))
    expect(reply.headers.get('x-imagegate-cost-usd')).toBe('0.03')
    expect(reply.headers.get('x-imagegate-cost-basis')).toBe('billed')
    expect(JSON.parse(reply.headers.get('x-imagegate-warnings') ?? '')).toMatchObject([{ code: 'ignored_option', field: 'raw' }])
    const generation = await json<Generation>(await gateway.ask(`/v1/generations/${String(task['id'])}`))
    expect(generation.warnings).toMatchObject([{ field: 'raw' }])
  })

  test('moderation is HTTP 200 with the status and reasons BFL has', async () => {
    const task = await json<Reply>(await submit(gateway, 'flux-pro-1.1', { prompt: 'sandbox:moderated' }))
    expect(await ended(gateway, task['polling_url'])).toMatchObject({
      status: 'Request Moderated',
      result: null,
      details: { 'Moderation Reasons': expect.any(Array) },
    })
    const output = await json<Reply>(await submit(gateway, 'flux-2-flex', { prompt: 'sandbox:moderated-output' }))
    expect(await ended(gateway, output['polling_url'])).toMatchObject({ status: 'Content Moderated', result: null })
  })

  describe('an edit', () => {
    const edited = async (body: object, endpoint = 'flux-2-pro') => {
      const source = await sharp({ create: { width: 96, height: 144, channels: 3, background: '#336699' } })
        .png()
        .toBuffer()
      const image = endpoint === 'flux-2-pro' ? { input_image: source.toString('base64') } : { image_prompt: source.toString('base64') }
      const reply = await submit(gateway, endpoint, { ...image, ...body })
      expect(reply.status).toBe(200)
      const task = await json<Reply>(reply)
      return { task, generation: await json<Generation>(await gateway.ask(`/v1/generations/${String(task['id'])}`)) }
    }

    test('of which one side is given keeps the ratio of its image, and says so', async () => {
      const { generation } = await edited({ prompt: 'a', width: 512 })
      expect(generation.request).toMatchObject({ width: 512, height: 768 })
      expect(generation.warnings).toMatchObject([{ code: 'adjusted', field: 'height', requested: null, used: 768 }])
    })

    test('without a size answers with its megapixels', async () => {
      const { task } = await edited({ prompt: 'a' })
      expect(task).toMatchObject({ input_mp: 0.01, output_mp: expect.any(Number) })
    })

    test('of an image alone is bought without a prompt of our making', async () => {
      const { generation } = await edited({}, 'flux-pro-1.1')
      expect(generation.request).toMatchObject({ prompt: '' })
      expect(generation.provider).toBe('bfl')
    })
  })

  test('a failed task is Error', async () => {
    const task = await json<Reply>(await submit(gateway, 'flux-2-pro', { prompt: 'sandbox:error' }))
    expect(await ended(gateway, task['polling_url'])).toMatchObject({ status: 'Error', details: { error: expect.any(String) } })
  })

  test('a seed beyond 2^53 keeps every digit', async () => {
    const task = await json<Reply>(await submit(gateway, 'flux-2-pro', { prompt: 'sandbox:big-seed' }))
    await ended(gateway, task['polling_url'])
    const generation = await json<Generation>(await gateway.ask(`/v1/generations/${String(task['id'])}`))
    const seed = generation.images[0]?.seed ?? ''
    expect(seed).toMatch(/^\d{19}$/)
    expect(await (await fetch(String(task['polling_url']))).text()).toContain(`"seed":${seed}`)
  })

  test.each([
    ['a missing prompt', '{}', [{ loc: ['body', 'prompt'], msg: 'Field required', type: 'missing' }]],
    ['a side too small', '{"prompt":"a","width":10}', [{ loc: ['body', 'width'], msg: expect.any(String), type: 'greater_than_equal' }]],
    [
      'a body that is no JSON',
      '{"prompt":',
      [{ loc: ['body', 0], msg: 'JSON decode error', type: 'json_invalid', ctx: { error: expect.any(String) } }],
    ],
    ['a body that is no object', '["a"]', [{ loc: ['body'], msg: expect.any(String), type: 'model_attributes_type' }]],
    [
      'a prompt longer than a request holds',
      JSON.stringify({ prompt: 'x'.repeat(32_001) }),
      [{ loc: ['body', 'prompt'], msg: expect.stringContaining('32000'), type: 'value_error' }],
    ],
    [
      'an image that breaks off',
      JSON.stringify({ prompt: 'a', input_image: Buffer.from('\x89PNG\r\n\x1a\n and then nothing', 'latin1').toString('base64') }),
      [{ loc: ['body', 'input_image'], msg: expect.any(String), type: 'value_error' }],
    ],
  ])('%s is 422 with detail', async (_what, body, detail) => {
    const reply = await submit(gateway, 'flux-2-pro', body)
    expect(reply.status).toBe(422)
    expect(await reply.json()).toEqual({ detail })
  })

  test('an empty body and one that is not declared as JSON are 422 too', async () => {
    expect((await gateway.ask('/bfl/v1/flux-2-pro', { method: 'POST' })).status).toBe(422)
    const text = await gateway.ask('/bfl/v1/flux-2-pro', {
      method: 'POST',
      body: '{"prompt":"a"}',
      headers: { 'content-type': 'text/plain' },
    })
    expect(text.status).toBe(422)
    expect(await text.json()).toMatchObject({ detail: [{ type: 'model_attributes_type' }] })
  })

  test('an endpoint that is not served here is 404 and names those it has', async () => {
    const reply = await submit(gateway, 'flux-dev', { prompt: 'a' })
    expect(reply.status).toBe(404)
    expect(await reply.json()).toEqual({ detail: expect.stringContaining('flux-2-pro, flux-2-flex, flux-2-max') })
    const other = await gateway.ask('/bfl/v2/anything')
    expect([other.status, await other.json()]).toEqual([404, { detail: 'Not Found' }])
  })

  test('an id nobody knows is Task not found; none at all is 422', async () => {
    const reply = await gateway.ask('/bfl/v1/get_result?id=gen_unknown')
    expect(reply.status).toBe(404)
    expect(await reply.json()).toMatchObject({ id: 'gen_unknown', status: 'Task not found', result: null })
    const none = await gateway.ask('/bfl/v1/get_result')
    expect([none.status, await none.json()]).toEqual([422, { detail: [{ loc: ['query', 'id'], msg: 'Field required', type: 'missing' }] }])
  })

  test('credits are the balances of the vendors together, in cents', async () => {
    const { credits } = await json<{ credits: number }>(await gateway.ask('/bfl/v1/credits'))
    expect(credits).toBeGreaterThan(150_000)
  })

  test('the same Idempotency-Key and body are one task; another body is refused', async () => {
    const headers = { 'idempotency-key': 'order-1' }
    const replies = await Promise.all([1, 2, 3].map(() => submit(gateway, 'flux-2-pro', { prompt: 'once' }, headers)))
    const ids = await Promise.all(replies.map(async (reply) => (await json<Reply>(reply))['id']))
    expect(new Set(ids).size).toBe(1)
    const other = await submit(gateway, 'flux-2-pro', { prompt: 'twice' }, headers)
    expect([other.status, await other.json()]).toMatchObject([422, { detail: [{ loc: ['header', 'Idempotency-Key'] }] }])
  })

  test('an Idempotency-Key that comes again with another webhook is refused: nobody would call it', async () => {
    const headers = { 'idempotency-key': 'order-2' }
    const [hook, another] = ['https://app.example.com/hook', 'https://app.example.com/another']
    const send = (more: object) => submit(gateway, 'flux-2-pro', { prompt: 'once', ...more }, headers)
    const first = await json<Reply>(await send({ webhook_url: hook }))
    expect(await json<Reply>(await send({ webhook_url: hook }))).toMatchObject({ id: first['id'], webhook_url: hook })
    for (const more of [{}, { webhook_url: another }, { webhook_url: hook, webhook_secret: 'another' }])
      expect((await send(more)).status).toBe(422)
  })

  test('of which one side is given, an Idempotency-Key is answered whatever its image has become, and compared with what was sent', async () => {
    const png = (width: number, height: number) =>
      sharp({ create: { width, height, channels: 3, background: '#369' } })
        .png()
        .toBuffer()
    let image: Buffer | null = await png(96, 144)
    const server = createServer((_request, response) => void (image ? response.end(image) : response.writeHead(404).end()))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    try {
      const input_image = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.png`
      const headers = { 'idempotency-key': 'order-3' }
      const send = (size: object) => submit(gateway, 'flux-2-pro', { prompt: 'once', input_image, ...size }, headers)
      const first = await json<Reply>(await send({ width: 512 }))
      const generation = await json<Generation>(await gateway.ask(`/v1/generations/${String(first['id'])}`))
      expect(generation).toMatchObject({ request: { width: 512, height: 768 }, warnings: [{ field: 'height', used: 768 }] })
      for (const now of [await png(144, 96), null]) {
        image = now
        const again = await send({ width: 512 })
        expect([again.status, await again.json()]).toMatchObject([200, { id: first['id'] }])
      }
      for (const size of [{}, { height: 768 }, { width: 768 }, { width: 512, height: 768 }, { width: 512, height: 1024 }]) {
        const other = await send(size)
        expect([other.status, await other.json()]).toMatchObject([422, { detail: [{ loc: ['header', 'Idempotency-Key'] }] }])
      }
      const unknown = await submit(gateway, 'flux-2-pro', { prompt: 'once', input_image, width: 512 })
      const msg = 'Value error, the size of the first image cannot be read: send both width and height, or neither'
      expect([unknown.status, await unknown.json()]).toEqual([422, { detail: [{ loc: ['body', 'height'], msg, type: 'value_error' }] }])
    } finally {
      server.close()
    }
  })

  test('a webhook gets the finished task with its secret, and polling works too', async () => {
    const received = Promise.withResolvers<{ headers: IncomingHttpHeaders; body: Reply }>()
    let calls = 0
    const receiver = createServer((request, response) => {
      calls++
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        response.end()
        received.resolve({ headers: request.headers, body: JSON.parse(Buffer.concat(chunks).toString()) as Reply })
      })
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    try {
      const webhook_url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook?a=1`
      const task = await json<Reply>(await submit(gateway, 'flux-2-pro', { prompt: 'a', webhook_url, webhook_secret: 's3cret & more' }))
      expect(task).toEqual({ id: task['id'], status: 'Pending', webhook_url, cost: 3, input_mp: 0, output_mp: 1 })
      const { headers, body } = await received.promise
      expect(headers['x-webhook-secret']).toBe('s3cret & more')
      expect(body).toMatchObject({ id: task['id'], status: 'Ready', result: { sample: expect.stringContaining('/v1/images/') } })
      expect(body).toEqual(await ended(gateway, `${gateway.url}/bfl/v1/get_result?id=${String(task['id'])}`))
      expect(calls).toBe(1)
    } finally {
      receiver.close()
    }
  })

  test('clients that leave /v1 out of their paths are served alike', async () => {
    const task = await json<Reply>(await gateway.post('/bfl/flux-pro-1.1', { prompt: 'a' }))
    expect(await ended(gateway, `${gateway.url}/bfl/get_result?id=${String(task['id'])}`)).toMatchObject({ status: 'Ready' })
    expect((await gateway.ask('/bfl/credits')).status).toBe(200)
  })
})

describe('a gateway with keys', () => {
  const hash = (key: string) => createHash('sha256').update(key).digest('hex')
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await launchGateway({
      config: `keys: [{ name: a, key_hash: ${hash('key-a')}, budget_usd: "0.07" }, { name: b, key_hash: ${hash('key-b')} }]\n`,
    })
  })
  afterAll(() => gateway.close())

  test.each([
    ['no key', {}],
    ['another key', { 'x-key': 'wrong' }],
  ])('%s is 401 on every route, in BFL’s shape', async (_what, headers) => {
    const replies = await Promise.all([
      submit(gateway, 'flux-2-pro', { prompt: 'a' }, headers as Record<string, string>),
      gateway.ask('/bfl/v1/get_result?id=gen_1', { headers: headers as Record<string, string> }),
      gateway.ask('/bfl/v1/credits', { headers: headers as Record<string, string> }),
    ])
    for (const reply of replies) expect([reply.status, await reply.json()]).toEqual([401, { detail: expect.stringContaining('x-key') }])
  })

  test('a key sees its own tasks; another’s is as if it were not there', async () => {
    const task = await json<Reply>(await submit(gateway, 'flux-2-pro', { prompt: 'a' }, { 'x-key': 'key-a' }))
    expect(await ended(gateway, task['polling_url'], { 'x-key': 'key-a' })).toMatchObject({ status: 'Ready' })
    const other = await fetch(String(task['polling_url']), { headers: { 'x-key': 'key-b' } })
    expect([other.status, await other.json()]).toMatchObject([404, { status: 'Task not found' }])
  })

  test('credits are what is left of the key’s budget, and a task beyond it is 402', async () => {
    const headers = { 'x-key': 'key-a' }
    const credits = async () => (await json<{ credits: number }>(await gateway.ask('/bfl/v1/credits', { headers }))).credits
    const before = await credits()
    expect(before).toBeLessThanOrEqual(7)
    await submit(gateway, 'flux-2-pro', { prompt: 'a' }, headers)
    expect(await credits()).toBe(before - 3)
    const beyond = await submit(gateway, 'flux-2-pro', { prompt: 'a', width: 2048, height: 2048 }, headers)
    expect([beyond.status, await beyond.json()]).toEqual([402, { detail: expect.stringContaining('budget') }])
  })
})

describe('a request that no offer can take', () => {
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await launchGateway({ config: 'providers: { bfl: { enabled: false } }\n' })
  })
  afterAll(() => gateway.close())

  test('detail names each of them with its reason, and nothing is begun', async () => {
    const reply = await submit(gateway, 'flux-2-flex', { prompt: 'a', input_image_blob_path: 'only/bfl/has/it' })
    expect(reply.status).toBe(422)
    const { detail } = await json<{ detail: { msg: string }[] }>(reply)
    expect(detail).toContainEqual({ loc: ['body'], type: 'no_eligible_offer', msg: expect.stringMatching(/^bfl: ./) })
    expect(detail.some(({ msg }) => msg.startsWith('runware: '))).toBe(true)
    expect(await json(await gateway.ask('/v1/generations'))).toMatchObject({ data: [] })
  })
})
