import { createHash, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { json, launchGateway } from '../../../e2e/gateway.ts'
import type { Gateway } from '../../../e2e/gateway.ts'

interface Received {
  readonly method: string
  readonly url: string
  readonly type: string
  readonly bytes: Buffer
}

let gateway: Gateway
const received: Received[] = []
const receiver = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => parts.push(part))
  request.on('end', () => {
    const { method = '', url = '', headers } = request
    received.push({ method, url, type: headers['content-type'] ?? '', bytes: Buffer.concat(parts) })
    response.writeHead(200).end()
  })
})
let base = ''
beforeAll(async () => {
  await new Promise<void>((resolve) => void receiver.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
  gateway = await launchGateway({ config: 'network: { allow: ["127.0.0.0/8"] }\n' })
})
afterAll(async () => {
  await gateway.close()
  receiver.closeAllConnections()
  receiver.close()
})

const inference = (more: object) => [
  {
    taskType: 'imageInference',
    taskUUID: randomUUID(),
    model: 'bfl:5@1',
    positivePrompt: 'a lighthouse',
    width: 256,
    height: 256,
    ...more,
  },
]

async function receives(count: number): Promise<readonly Received[]> {
  for (let polls = 0; polls < 1_000 && received.length < count; polls++) await new Promise((resolve) => setTimeout(resolve, 10))
  return received
}

describe('uploadEndpoint', () => {
  test('gets the bytes of each stored image by PUT, its own query kept; the webhook gets each result by POST', async () => {
    received.length = 0
    const task = inference({ numberResults: 2, webhookURL: `${base}/hook`, uploadEndpoint: `${base}/bucket/a.jpg?X-Signature=abc` })
    expect((await gateway.post('/runware/v1', task)).status).toBe(200)
    const all = await receives(4)
    const uploads = all.filter(({ method }) => method === 'PUT')
    expect(all.filter(({ method, url }) => method === 'POST' && url === '/hook')).toHaveLength(2)
    const { data } = await json<{ data: Generation[] }>(await gateway.ask('/v1/generations?limit=1'))
    expect(uploads.map(({ bytes }) => createHash('sha256').update(bytes).digest('hex')).toSorted()).toEqual(
      data[0]?.images.map(({ sha256 }) => sha256).toSorted(),
    )
    expect(uploads).toMatchObject(Array.from({ length: 2 }, () => ({ url: '/bucket/a.jpg?X-Signature=abc', type: 'image/jpeg' })))
    const deliveries = await (await gateway.ask(`/v1/webhooks/deliveries?generation_id=${data[0]?.id}`)).text()
    expect(deliveries).not.toContain('X-Signature')
  })

  test('alone gets nothing from a task that failed', async () => {
    received.length = 0
    const reply = await gateway.post('/runware/v1', inference({ positivePrompt: 'sandbox:moderated', uploadEndpoint: `${base}/x` }))
    expect(reply.status).toBe(400)
    expect(await json(await gateway.ask('/v1/webhooks/deliveries?limit=1'))).toMatchObject({ data: [{ url: `${base}/hook` }] })
    expect(received).toEqual([])
  })

  test.each(['webhookURL', 'uploadEndpoint'])('%s that may not be reached is refused by its name', async (name) => {
    const reply = await gateway.post('/runware/v1', inference({ [name]: 'http://10.0.0.1/x' }))
    expect(reply.status).toBe(400)
    expect(await reply.json()).toMatchObject({ errors: [{ parameter: name }] })
  })
})

describe('the status of an answer without data', () => {
  test.each([
    ['a missing parameter', inference({ positivePrompt: undefined }), 400],
    ['a task that nobody began', [{ taskType: 'getResponse', taskUUID: randomUUID() }], 404],
    ['a prompt the vendor refused', inference({ positivePrompt: 'sandbox:moderated' }), 400],
    [
      'references beyond the model',
      inference({ model: 'bfl:2@1', inputs: { referenceImages: Array(9).fill('https://a.example/a.png') } }),
      400,
    ],
  ])('is that of its error: %s', async (_what, task, status) => {
    const reply = await gateway.post('/runware/v1', task)
    expect(reply.status).toBe(status)
    expect(await reply.json()).toMatchObject({ data: [], errors: [{ code: expect.any(String) }] })
  })

  test('is 200 where another task of the array has data', async () => {
    const reply = await gateway.post('/runware/v1', [...inference({}), ...inference({ width: 1 })])
    expect(reply.status).toBe(200)
    expect(await reply.json()).toMatchObject({ data: [{}], errors: [{ code: 'invalidWidth' }] })
  })
})

test('an imageUUID we returned is a reference, and one that nobody has is refused by its parameter', async () => {
  const { data } = await json<{ data: { imageUUID: string }[] }>(await gateway.post('/runware/v1', inference({})))
  const edit = (uuid: string | undefined) => gateway.post('/runware/v1', inference({ inputs: { referenceImages: [uuid] } }))
  expect((await edit(data[0]?.imageUUID)).status).toBe(200)
  const unknown = await edit(randomUUID())
  expect(unknown.status).toBe(400)
  expect(await unknown.json()).toMatchObject({ errors: [{ code: 'invalidReferenceImages', parameter: 'inputs.referenceImages' }] })
})
