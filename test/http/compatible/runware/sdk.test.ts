import { createHash, randomUUID } from 'node:crypto'
import { RunwareServer } from '@runware/sdk-js'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { json, launchGateway } from '../../../e2e/gateway.ts'
import type { Gateway } from '../../../e2e/gateway.ts'

const cat = { model: 'bfl:5@1', positivePrompt: 'a cat', width: 512, height: 256 }
const addressOf = (gateway: Gateway) => `${gateway.url.replace('http:', 'ws:')}/runware/v1`

describe('the unmodified @runware/sdk-js, served by BFL', () => {
  let gateway: Gateway
  let runware: RunwareServer
  beforeAll(async () => {
    const order = '{ route: { order: [bfl] } }'
    gateway = await launchGateway({ config: `models: { flux-2-pro: ${order}, flux-2-flex: ${order}, flux-1.1-pro: ${order} }\n` })
    runware = new RunwareServer({ apiKey: 'any', url: addressOf(gateway) })
    await runware.ensureConnection()
  })
  afterAll(async () => {
    await runware.disconnect()
    await gateway.close()
  })

  const latest = async (): Promise<Generation | undefined> =>
    (await json<{ data: Generation[] }>(await gateway.ask('/v1/generations?limit=1'))).data[0]

  test('gets images with seed and cost, as they finish', async () => {
    const parts: number[] = []
    const images = await runware.imageInference({
      ...cat,
      numberResults: 3,
      seed: 42,
      includeCost: true,
      onPartialImages: (some) => parts.push(some.length),
    })
    expect(images).toHaveLength(3)
    expect(images?.map(({ seed }) => seed).toSorted()).toEqual([42, 43, 44])
    expect(images?.map(({ cost }) => cost)).toEqual([0.03, 0.03, 0.03])
    expect(parts.reduce((sum, count) => sum + count, 0)).toBe(3)
    for (const { imageURL } of images ?? []) {
      expect(await sharp(await (await fetch(String(imageURL))).bytes()).metadata()).toMatchObject({ width: 512, height: 256 })
    }
    expect(await latest()).toMatchObject({ provider: 'bfl', cost: { amount: '0.09', basis: 'billed' } })
  })

  test('Runware’s default holds at BFL: the prompt is not rewritten', async () => {
    await runware.imageInference(cat)
    expect(await latest()).toMatchObject({ provider: 'bfl', prompt_used: 'a cat' })
  })

  test('several requests run side by side and each gets its own', async () => {
    const [first, second] = await Promise.all([
      runware.imageInference({ ...cat, outputType: 'base64Data', outputFormat: 'PNG' }),
      runware.imageInference({ ...cat, model: 'bfl:6@1', width: 256, steps: 20, CFGScale: 4 }),
    ])
    const image = Buffer.from(String(first?.[0]?.imageBase64Data), 'base64')
    expect(await sharp(image).metadata()).toMatchObject({ width: 512, format: 'png' })
    expect(await sharp(await (await fetch(String(second?.[0]?.imageURL))).bytes()).metadata()).toMatchObject({ width: 256 })
  })

  test('moderation reaches the caller as an API error that is not tried again', async () => {
    await expect(runware.imageInference({ ...cat, positivePrompt: 'sandbox:moderated', retry: 3 })).rejects.toMatchObject({
      error: { code: 'providerContentPolicyViolation', message: expect.stringContaining('moderation') },
    })
    expect(await latest()).toMatchObject({ status: 'failed', cost: { amount: '0' } })
  })

  test('a failed task and a wrong parameter are reported as they are', async () => {
    await expect(runware.imageInference({ ...cat, positivePrompt: 'sandbox:error' })).rejects.toMatchObject({
      error: { code: 'unsupportedByProvider' },
    })
    await expect(runware.imageInference({ ...cat, negativePrompt: 'x' })).rejects.toMatchObject({
      error: { code: 'unknownParameter', parameter: 'negativePrompt' },
    })
    await expect(runware.imageInference({ ...cat, model: 'civitai:4384@128713' })).rejects.toMatchObject({
      error: { code: 'invalidModel' },
    })
  })

  test('what this server does not do is refused, not left hanging', async () => {
    await expect(runware.imageUpload({ image: 'https://example.com/a.png' })).rejects.toMatchObject({ error: { code: 'invalidTaskType' } })
  })

  test('an asynchronous task is acknowledged, then asked for', async () => {
    const taskUUID = randomUUID()
    const [acknowledged] = (await runware.imageInference({ ...cat, taskUUID, deliveryMethod: 'async', includeCost: true })) ?? []
    expect(acknowledged).toEqual({ taskType: 'imageInference', taskUUID })
    for (;;) {
      const [result] = await runware.getResponse<{ status: string; cost?: number; imageURL?: string }>({ taskUUID })
      if (result?.status === 'processing') continue
      expect(result).toMatchObject({ status: 'success', cost: 0.03, imageURL: expect.any(String) })
      return
    }
  })

  test('the same taskUUID over another connection is the same image', async () => {
    const taskUUID = randomUUID()
    const other = new RunwareServer({ apiKey: 'any', url: addressOf(gateway) })
    const [first, second] = [await runware.imageInference({ ...cat, taskUUID }), await other.imageInference({ ...cat, taskUUID })]
    await other.disconnect()
    expect(second?.[0]?.imageUUID).toBe(first?.[0]?.imageUUID)
  })

  test('the http:// base URL without /v1 serves too', async () => {
    const plain = new RunwareServer({ apiKey: 'any', url: `${gateway.url}/runware` })
    expect(await plain.imageInference(cat)).toHaveLength(1)
    await plain.disconnect()
  })

  test('a dry run buys nothing', async () => {
    const dry = new RunwareServer({ apiKey: 'any', url: addressOf(gateway), dryRun: true })
    const before = await latest()
    await expect(dry.imageInference(cat)).rejects.toMatchObject({ error: { code: 'unsupportedParameter', parameter: 'dryRun' } })
    await dry.disconnect()
    expect((await latest())?.id).toBe(before?.id)
  })
})

describe('the WebSocket with gateway keys', () => {
  const hash = (key: string) => createHash('sha256').update(key).digest('hex')
  let gateway: Gateway
  beforeAll(async () => {
    gateway = await launchGateway({ config: `keys: [{ name: a, key_hash: ${hash('key-a')} }]\n` })
  })
  afterAll(() => gateway.close())

  /** Sends messages one after the other, each after the answer to the one before. */
  async function talk(...messages: readonly unknown[]): Promise<readonly unknown[]> {
    const socket = new WebSocket(addressOf(gateway))
    const frames: unknown[] = []
    await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }))
    for (const message of messages) {
      const answered = new Promise<MessageEvent>((resolve) => socket.addEventListener('message', resolve, { once: true }))
      socket.send(typeof message === 'string' ? message : JSON.stringify(message))
      frames.push(JSON.parse(String((await answered).data)))
    }
    socket.close()
    return frames
  }

  test('the SDK’s wrong key is refused, and the SDK says so', async () => {
    const runware = new RunwareServer({ apiKey: 'wrong', url: addressOf(gateway), shouldReconnect: false })
    await expect(runware.ensureConnection()).rejects.toMatchObject({ error: { code: 'invalidApiKey' } })
    await runware.disconnect()
  })

  test('the SDK’s right key is the gateway key the generation belongs to', async () => {
    const runware = new RunwareServer({ apiKey: 'key-a', url: addressOf(gateway) })
    expect(await runware.imageInference(cat)).toHaveLength(1)
    await runware.disconnect()
    const own = await gateway.ask('/v1/generations', { headers: { authorization: 'Bearer key-a' } })
    expect((await json<{ data: unknown[] }>(own)).data).toHaveLength(1)
  })

  test('nothing is done before authentication; a session is continued under its name', async () => {
    const taskUUID = randomUUID()
    const connectionSessionUUID = randomUUID()
    expect(
      await talk(
        [{ taskType: 'imageInference', taskUUID, ...cat }],
        [{ taskType: 'authentication', apiKey: 'wrong' }],
        [{ taskType: 'getResponse', taskUUID }],
        [{ taskType: 'authentication', apiKey: 'key-a', connectionSessionUUID }],
        [{ taskType: 'getResponse', taskUUID }],
      ),
    ).toMatchObject([
      { errors: [{ code: 'invalidApiKey', taskUUID }] },
      { errors: [{ code: 'invalidApiKey', taskType: 'authentication' }] },
      { errors: [{ code: 'invalidApiKey', taskUUID }] },
      { data: [{ taskType: 'authentication', connectionSessionUUID }] },
      { errors: [{ code: 'taskNotFound', taskUUID }] },
    ])
  })

  test('a ping is answered, and what is no array of tasks is said', async () => {
    expect(await talk([{ taskType: 'ping', ping: true }], 'no JSON', '{"taskType":"ping"}')).toMatchObject([
      { data: [{ taskType: 'ping', pong: true }] },
      { errors: [{ code: 'invalidPayload' }] },
      { errors: [{ code: 'invalidPayload' }] },
    ])
  })
})
