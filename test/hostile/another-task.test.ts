import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith, listening } from '../support/for-one-test.ts'

useRealSockets()

const drawn = (background: string) =>
  sharp({ create: { width: 1024, height: 1024, channels: 3, background } })
    .jpeg()
    .toBuffer()
const [OURS, OTHERS] = [await drawn('#468'), await drawn('#a22')]
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** What a poll says of a task at each vendor: that it is done, with this image, or that it failed. */
interface Said {
  readonly id: string
  readonly image: string
  readonly hasFailed: boolean
}

interface Vendor {
  readonly submit: RegExp
  readonly accepted: (base: string, id: string) => object
  readonly poll: (said: Said) => object
}

const VENDORS: Readonly<Record<string, Vendor>> = {
  bfl: {
    submit: /^\/v1\/flux-2-pro$/,
    accepted: (base, id) => ({ id, polling_url: `${base}/bfl/${id}`, cost: 3 }),
    poll: ({ id, image, hasFailed }) => ({
      id,
      status: hasFailed ? 'Error' : 'Ready',
      result: hasFailed ? null : { sample: image },
      cost: 3,
    }),
  },
  fal: {
    submit: /^\/fal-ai\//,
    accepted: (base, id) => ({
      request_id: id,
      status: 'IN_QUEUE',
      status_url: `${base}/fal/${id}`,
      response_url: `${base}/fal-result/${id}`,
    }),
    poll: ({ id, image }) => ({ request_id: id, status: 'COMPLETED', response_url: image.replace('/image/', '/fal-result/') }),
  },
  vtrix: {
    submit: /^\/model\/v1\/generation$/,
    accepted: (_, id) => ({ id, status: 'in_progress' }),
    poll: ({ id, image, hasFailed }) =>
      hasFailed
        ? { id, status: 'failed', error: { code: 'x', message: 'went wrong' } }
        : { id, status: 'completed', output: [{ content: [{ type: 'image', url: image }] }], usage: { cost: '0.03' } },
  },
  replicate: {
    submit: /^\/v1\/models\/black-forest-labs\//,
    accepted: (base, id) => ({ id, status: 'starting', urls: { get: `${base}/replicate/${id}` } }),
    poll: ({ id, image, hasFailed }) => (hasFailed ? { id, status: 'failed', error: 'no' } : { id, status: 'succeeded', output: image }),
  },
  wavespeed: {
    submit: /^\/api\/v3\/wavespeed-ai\//,
    accepted: (base, id) => ({ data: { id, status: 'created', urls: { get: `${base}/wavespeed/${id}` } } }),
    poll: ({ id, image, hasFailed }) => ({ data: { id, status: hasFailed ? 'failed' : 'completed', outputs: hasFailed ? [] : [image] } }),
  },
}

/** The first two polls of each task are answered with another task, which is done, or has failed where its prompt says so. */
async function vendors(): Promise<string> {
  const hasFailed = new Map<string, boolean>()
  const polls = new Map<string, number>()
  const answer = (method: string, url: string, sent: string): unknown => {
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const vendor = Object.values(VENDORS).find(({ submit }) => submit.test(url))
    if (method === 'POST' && vendor) {
      const id = `task-${hasFailed.size}`
      hasFailed.set(id, sent.includes('another has failed'))
      return vendor.accepted(base, id)
    }
    const result = /^\/fal-result\/(.*)$/.exec(url)?.[1]
    if (result !== undefined) return { images: [{ url: `${base}/image/${result}` }] }
    const [, kind = 'vtrix', id = ''] = /^\/(bfl|fal|replicate|wavespeed)\/(.*)$/.exec(url) ?? [url, 'vtrix', url.split('/').at(-1)]
    const before = polls.get(id) ?? 0
    polls.set(id, before + 1)
    const said: Said =
      before < 2
        ? { id: 'another', image: `${base}/image/another`, hasFailed: hasFailed.get(id) === true }
        : { id, image: `${base}/image/${id}`, hasFailed: false }
    return VENDORS[kind]?.poll(said)
  }
  const server = http.createServer((request, response) => {
    const { method = '', url = '' } = request
    if (url.startsWith('/image/'))
      return void response.writeHead(200, { 'content-type': 'image/jpeg' }).end(url.endsWith('/another') ? OTHERS : OURS)
    const json = { 'content-type': 'application/json' }
    void text(request).then((sent) => response.writeHead(200, json).end(JSON.stringify(answer(method, url, sent) ?? {})))
  })
  return listening(server)
}

async function gatewayBefore(url: string, providers: readonly string[]): Promise<string> {
  const own = providers.map((id) => `  ${id}: { api_key: vendor-key-0123456, base_url: "${url}" }\n`)
  return (await gatewayWith(`network: { allow: ["127.0.0.0/8"] }\nproviders:\n${own.join('')}`)).url
}

async function generate(gateway: string, provider: string, prompt: string): Promise<Generation> {
  const headers = { 'content-type': 'application/json', prefer: 'wait=40' }
  const body = JSON.stringify({ model: 'flux-2-pro', prompt, provider: { only: [provider] } })
  return (await (await fetch(`${gateway}/v1/generations`, { method: 'POST', headers, body })).json()) as Generation
}

test('a poll that is answered with another task, done or failed, says nothing of ours: its image and its end are no caller’s', async () => {
  const gateway = await gatewayBefore(await vendors(), Object.keys(VENDORS))
  const orders = Object.keys(VENDORS).flatMap((provider) => ['is done', 'has failed'].map((end) => ({ provider, end })))
  const ends = await Promise.all(
    orders.map(async ({ provider, end }) => {
      const { status, images } = await generate(gateway, provider, `another ${end}`)
      return { provider, end, status, images: images.map((image) => image.sha256) }
    }),
  )
  expect(ends).toEqual(orders.map((order) => ({ ...order, status: 'succeeded', images: [sha256(OURS)] })))
}, 60_000)

test('an error beside every image that was ordered hides no cost, and a charge in the word that the task was moderated is kept', async () => {
  const answer = (base: string, method: string, url: string, sent: string): object => {
    if (url === '/v1') {
      const [{ taskUUID }] = JSON.parse(sent) as [{ taskUUID: string }]
      const image = { taskType: 'imageInference', taskUUID, imageUUID: 'an-image', imageURL: `${base}/image.jpg`, cost: 0.03 }
      return { data: [image], errors: [{ code: 'inferenceError', message: 'went wrong', taskUUID }] }
    }
    if (method === 'POST') return { id: 'a-task', polling_url: `${base}/task`, cost: 3 }
    return { id: 'a-task', status: 'Content Moderated', result: null, cost: 3 }
  }
  const server = http.createServer((request, response) => {
    const { method = '', url = '' } = request
    if (url === '/image.jpg') return void response.writeHead(200, { 'content-type': 'image/jpeg' }).end(OURS)
    const json = { 'content-type': 'application/json' }
    void text(request).then((sent) => response.writeHead(200, json).end(JSON.stringify(answer(base, method, url, sent))))
  })
  const base = await listening(server)
  const gateway = await gatewayBefore(base, ['bfl', 'runware'])
  const [beside, moderated] = await Promise.all(['runware', 'bfl'].map((provider) => generate(gateway, provider, 'a tree')))
  expect({ status: beside?.status, cost: beside?.cost }).toMatchObject({ status: 'succeeded', cost: { amount: '0.03', basis: 'billed' } })
  expect({ error: moderated?.error, cost: moderated?.cost }).toMatchObject({
    error: { code: 'moderated', billed: true },
    cost: { amount: '0.03', basis: 'billed' },
  })
}, 60_000)
