import { createHash, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { json, launchGateway } from '../../../e2e/gateway.ts'
import type { Gateway } from '../../../e2e/gateway.ts'

type Item = Readonly<Record<string, unknown>>
interface Reply {
  readonly data?: readonly Item[]
  readonly errors?: readonly Item[]
}

const inference = (more: Item = {}): Item => ({
  taskType: 'imageInference',
  taskUUID: randomUUID(),
  model: 'bfl:5@1',
  positivePrompt: 'a cat',
  width: 512,
  height: 256,
  ...more,
})

const GOOD = { authorization: 'Bearer key-b' }
const post = (gateway: Gateway, tasks: unknown, headers: Record<string, string> = {}) => gateway.post('/runware/v1', tasks, headers)
const ask = async (gateway: Gateway, ...tasks: readonly Item[]): Promise<Reply> => json<Reply>(await post(gateway, tasks))

/** Asks as a client does, until nothing is processing. */
async function ended(gateway: Gateway, taskUUID: unknown): Promise<Reply> {
  for (let polls = 0; polls < 400; polls++) {
    const reply = await ask(gateway, { taskType: 'getResponse', taskUUID })
    if (!reply.data?.some(({ status }) => status === 'processing')) return reply
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
  throw new Error('the task never ended')
}

describe('a gateway without keys', () => {
  let gateway: Gateway
  beforeAll(async () => {
    const order = '{ route: { order: [runware] } }'
    gateway = await launchGateway({
      config: `models: { flux-2-pro: ${order}, flux-2-flex: ${order}, flux-1.1-pro: ${order} }\nnetwork: { allow: [127.0.0.1/32] }\n`,
    })
  })
  afterAll(() => gateway.close())

  test('a synchronous task is answered with its results', async () => {
    const task = inference({ seed: 7, numberResults: 2, includeCost: true, outputFormat: 'PNG' })
    const reply = await post(gateway, [task])
    expect([reply.status, reply.headers.get('x-imagegate-provider')]).toEqual([200, 'runware'])
    expect(reply.headers.get('x-imagegate-cost-usd')).toBe('0.06')
    const { data = [], errors } = await json<Reply>(reply)
    expect(errors).toBeUndefined()
    expect(data).toHaveLength(2)
    for (const [index, item] of data.entries()) {
      expect(item).toEqual({
        taskType: 'imageInference',
        taskUUID: task['taskUUID'],
        imageUUID: expect.stringMatching(/^[0-9a-f-]{36}$/),
        imageURL: expect.stringMatching(/\.png$/),
        seed: 7 + index,
        cost: 0.03,
      })
      const image = await (await fetch(String(item['imageURL']))).bytes()
      expect(await sharp(image).metadata()).toMatchObject({ width: 512, height: 256, format: 'png' })
    }
  })

  test('bytes come as they are asked for, and an image is referred to by its imageUUID', async () => {
    const { data = [] } = await ask(gateway, inference({ outputType: ['base64Data', 'dataURI'] }))
    const [item] = data
    expect(item).not.toHaveProperty('imageURL')
    const bytes = Buffer.from(String(item?.['imageBase64Data']), 'base64')
    expect(await sharp(bytes).metadata()).toMatchObject({ width: 512, height: 256, format: 'jpeg' })
    expect(item?.['imageDataURI']).toBe(`data:image/jpeg;base64,${bytes.toString('base64')}`)
    const edit = await ask(gateway, inference({ inputs: { referenceImages: [item?.['imageUUID']] }, includeCost: true }))
    expect(edit).toMatchObject({ data: [{ cost: 0.045 }] })
  })

  test('an asynchronous task is acknowledged, then asked for', async () => {
    const task = inference({ deliveryMethod: 'async', numberResults: 2, includeCost: true })
    expect(await ask(gateway, task)).toEqual({ data: [{ taskType: 'imageInference', taskUUID: task['taskUUID'] }] })
    const { data = [] } = await ended(gateway, task['taskUUID'])
    expect(data).toHaveLength(2)
    for (const item of data) expect(item).toMatchObject({ status: 'success', cost: 0.03, imageURL: expect.stringContaining('/v1/images/') })
  })

  test('a task that runs is processing, with its progress in percent', async () => {
    const task = inference({ deliveryMethod: 'async', positivePrompt: 'sandbox:slow' })
    await ask(gateway, task)
    const { data = [] } = await ask(gateway, { taskType: 'getResponse', taskUUID: task['taskUUID'] })
    expect(data).toEqual([{ taskType: 'imageInference', taskUUID: task['taskUUID'], status: 'processing', progress: expect.any(Number) }])
  })

  test('a failed task and one that succeeds are answered side by side in one 200', async () => {
    const [bad, good, wrong] = [inference({ positivePrompt: 'sandbox:moderated' }), inference(), inference({ width: 10 })]
    const reply = await post(gateway, [bad, good, wrong])
    expect(reply.status).toBe(200)
    expect(reply.headers.get('x-imagegate-generation-id')).toMatch(/^gen_\w+, gen_\w+$/)
    const { data, errors } = await json<Reply>(reply)
    expect(data).toMatchObject([{ taskUUID: good['taskUUID'] }])
    expect(errors).toMatchObject([
      { code: 'providerContentPolicyViolation', taskUUID: bad['taskUUID'], taskType: 'imageInference', parameter: 'positivePrompt' },
      { code: 'invalidWidth', taskUUID: wrong['taskUUID'], parameter: 'width' },
    ])
  })

  test('a batch of which a part fails has data and errors', async () => {
    const { data = [], errors = [] } = await ask(gateway, inference({ positivePrompt: 'sandbox:partial', numberResults: 3 }))
    expect([data.length, errors.length]).toEqual([2, 1])
  })

  test('a seed beyond 2^53 keeps every digit', async () => {
    const text = await (await post(gateway, [inference({ positivePrompt: 'sandbox:big-seed' })])).text()
    const seed = /"seed":(\d+)/.exec(text)?.[1] ?? ''
    const { data } = await json<{ data: Generation[] }>(await gateway.ask('/v1/generations?limit=1'))
    expect(seed).toMatch(/^\d{19}$/)
    expect(data[0]?.images[0]?.seed).toBe(seed)
  })

  test('the same taskUUID and body are one generation; another body is a conflict', async () => {
    const task = inference()
    const replies = await Promise.all([1, 2, 3].map(() => ask(gateway, task)))
    expect(new Set(replies.map(({ data }) => data?.[0]?.['imageUUID'])).size).toBe(1)
    expect(await ask(gateway, { ...task, positivePrompt: 'a dog' })).toMatchObject({
      data: [],
      errors: [{ code: 'conflictTaskUUID', parameter: 'taskUUID', taskUUID: task['taskUUID'] }],
    })
    // Nobody would call it.
    expect(await ask(gateway, { ...task, webhookURL: 'https://app.example.com/hook' })).toMatchObject({
      errors: [{ code: 'conflictTaskUUID' }],
    })
  })

  test.each<[string, Item, Item]>([
    [
      'a task type that is not served here',
      { taskType: 'imageUpload', taskUUID: randomUUID() },
      { code: 'invalidTaskType', parameter: 'taskType' },
    ],
    ['no taskUUID', inference({ taskUUID: undefined }), { code: 'missingTaskUUID' }],
    ['a taskUUID that is none', inference({ taskUUID: '7' }), { code: 'invalidTaskUUID', taskUUID: '7' }],
    ['no model', inference({ model: undefined }), { code: 'missingModel' }],
    ['an unknown model', inference({ model: 'runware:100@1' }), { code: 'invalidModel', parameter: 'model' }],
    ['a task nobody knows', { taskType: 'getResponse', taskUUID: randomUUID() }, { code: 'taskNotFound', parameter: 'taskUUID' }],
    ['another account operation', { taskType: 'accountManagement', taskUUID: randomUUID(), operation: 'x' }, { code: 'invalidOperation' }],
    ['an image of ours that is not there', inference({ referenceImages: [randomUUID()] }), { code: 'invalidReferenceImages' }],
    [
      'more images than the model takes',
      inference({ model: 'bfl:2@1', referenceImages: ['https://example.com/a.png', 'https://example.com/b.png'] }),
      { code: 'invalidReferenceImages', parameter: 'referenceImages' },
    ],
  ])('%s is an error of its own', async (_what, task, error) => {
    expect(await ask(gateway, task)).toMatchObject({ data: [], errors: [error] })
  })

  test.each([
    ['an object', '{}', 'invalidPayload'],
    ['an empty array', '[]', 'invalidPayload'],
    ['an array of something else', '[1]', 'invalidPayload'],
    ['too many tasks', JSON.stringify(Array.from({ length: 101 }, () => ({}))), 'invalidPayload'],
    ['no JSON', '[', 'invalidJson'],
  ])('%s is a 400', async (_what, body, code) => {
    const reply = await post(gateway, body)
    expect([reply.status, await reply.json()]).toMatchObject([400, { errors: [{ code }] }])
  })

  test('the balance is what the vendors’ accounts hold together', async () => {
    const task = { taskType: 'accountManagement', taskUUID: randomUUID(), operation: 'getDetails' }
    const { data = [] } = await ask(gateway, task)
    expect(data).toEqual([{ ...task, organizationName: 'imagegate', balance: expect.any(Number) }])
    expect(data[0]?.['balance']).toBeGreaterThan(1500)
  })

  test('a webhook gets each result by itself', async () => {
    const bodies: Item[] = []
    const all = Promise.withResolvers<void>()
    const receiver = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        bodies.push(JSON.parse(Buffer.concat(chunks).toString()) as Item)
        response.end()
        if (bodies.length === 2) all.resolve()
      })
    })
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
    try {
      const webhookURL = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
      const task = inference({ numberResults: 2, webhookURL })
      expect(await ask(gateway, task)).toEqual({ data: [{ taskType: 'imageInference', taskUUID: task['taskUUID'] }] })
      await all.promise
      for (const body of bodies) expect(body).toMatchObject({ taskUUID: task['taskUUID'], imageURL: expect.any(String) })
      expect(new Set(bodies.map(({ imageUUID }) => imageUUID)).size).toBe(2)
    } finally {
      receiver.close()
    }
  })

  test('what a task cannot say here is a warning, in the header and with the generation', async () => {
    const reply = await post(gateway, [inference({ ttl: 60 })])
    expect(JSON.parse(reply.headers.get('x-imagegate-warnings') ?? '')).toMatchObject([{ field: 'ttl' }])
    const generation = await gateway.ask(`/v1/generations/${reply.headers.get('x-imagegate-generation-id')}`)
    expect(await json<Generation>(generation)).toMatchObject({ warnings: [{ field: 'ttl' }] })
  })

  test('GET without an upgrade says what to do', async () => {
    const reply = await gateway.ask('/runware/v1')
    expect([reply.status, await reply.json()]).toMatchObject([426, { errors: [{ code: 'upgradeRequired' }] }])
  })

  test('the base URL alone serves too, and an authentication task is answered', async () => {
    const reply = await gateway.post('/runware', [{ taskType: 'authentication', apiKey: 'any' }])
    expect(await reply.json()).toMatchObject({ data: [{ taskType: 'authentication', connectionSessionUUID: expect.any(String) }] })
  })
})

describe('a gateway with keys', () => {
  const hash = (key: string) => createHash('sha256').update(key).digest('hex')
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await launchGateway({
      config: `keys: [{ name: a, key_hash: ${hash('key-a')}, budget_usd: "0.05" }, { name: b, key_hash: ${hash('key-b')} },
        { name: slow, key_hash: ${hash('key-slow')}, rate: { per_minute: 3 } }, { name: boss, key_hash: ${hash('key-boss')}, scope: admin },
        { name: one, key_hash: ${hash('key-one')}, providers: [vtrix] }]\n`,
    })
  })
  afterAll(() => gateway.close())

  test.each<[string, readonly Item[], Record<string, string>]>([
    ['no key', [inference()], {}],
    ['another key', [inference()], { authorization: 'Bearer wrong' }],
    ['another key in an authentication task', [{ taskType: 'authentication', apiKey: 'wrong' }, inference()], {}],
    ['another key in an authentication task beside a good one', [{ taskType: 'authentication', apiKey: 'wrong' }, inference()], GOOD],
    ['another key in a later authentication task', [inference(), { taskType: 'authentication', apiKey: 'key-a' }], GOOD],
  ])('%s is a 401 in Runware’s shape', async (_what, tasks, headers) => {
    const reply = await post(gateway, tasks, headers)
    expect([reply.status, await reply.json()]).toMatchObject([
      401,
      { errors: [{ code: 'invalidApiKey', parameter: 'apiKey', taskType: 'authentication' }] },
    ])
  })

  test('each task of an array is a request of its key, and what is over the rate is refused and not bought', async () => {
    const tasks = Array.from({ length: 5 }, () => inference({ width: 256, seed: 4242 }))
    const signIn = { taskType: 'authentication', apiKey: 'key-slow' }
    const reply = await post(gateway, [signIn, ...tasks])
    expect([reply.status, reply.headers.get('ratelimit'), reply.headers.get('retry-after')]).toEqual([
      200,
      expect.stringMatching(/^"key";r=0;t=\d+$/),
      null,
    ])
    const over = tasks.slice(3).map(({ taskUUID }) => ({ code: 'providerRateLimitExceeded', taskUUID }))
    const { data, errors } = await json<Reply>(reply)
    expect(data?.map(({ taskUUID }) => taskUUID)).toEqual(tasks.slice(0, 3).map(({ taskUUID }) => taskUUID))
    expect(errors).toMatchObject(over)
    const next = await post(gateway, [signIn, inference()])
    expect([next.status, next.headers.get('retry-after')]).toEqual([429, expect.stringMatching(/^\d+$/)])
    const bought = await gateway.ask('/v1/generations', { headers: { authorization: 'Bearer key-boss' } })
    const mine = (await json<{ data: Generation[] }>(bought)).data.filter(({ request }) => request['seed'] === 4242)
    expect(mine).toHaveLength(3)
  })

  test('the balance of a key that may use some providers only is theirs', async () => {
    const account = { taskType: 'accountManagement', taskUUID: randomUUID(), operation: 'getDetails' }
    const balance = async (key: string) => {
      const { data } = await json<Reply>(await post(gateway, [account], { authorization: `Bearer ${key}` }))
      return data?.[0]?.['balance']
    }
    const [all, some] = await Promise.all([balance('key-b'), balance('key-one')])
    expect(Number(all)).toBeGreaterThan(Number(some ?? 0))
  })

  test('the key comes as a bearer token or in a leading task, and sees its own tasks only', async () => {
    const task = inference()
    const signedIn = await post(gateway, [{ taskType: 'authentication', apiKey: 'key-a' }, task])
    expect(await json<Reply>(signedIn)).toMatchObject({ data: [{ taskUUID: task['taskUUID'] }] })
    const poll = [{ taskType: 'getResponse', taskUUID: task['taskUUID'] }]
    expect(await json<Reply>(await post(gateway, poll, { authorization: 'Bearer key-a' }))).toMatchObject({ data: [{ status: 'success' }] })
    expect(await json<Reply>(await post(gateway, poll, { authorization: 'Bearer key-b' }))).toMatchObject({
      errors: [{ code: 'taskNotFound' }],
    })
  })

  test('the balance is what is left of the key’s budget, and a task beyond it is an error of its own', async () => {
    const account = { taskType: 'accountManagement', taskUUID: randomUUID(), operation: 'getDetails' }
    const beyond = inference({ width: 2048, height: 2048 })
    const reply = await post(gateway, [account, beyond], { authorization: 'Bearer key-a' })
    expect(await json<Reply>(reply)).toMatchObject({
      data: [{ organizationName: 'a', balance: expect.closeTo(0.02) }],
      errors: [{ code: 'insufficientCredits', taskUUID: beyond['taskUUID'] }],
    })
  })
})
