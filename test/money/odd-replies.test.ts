import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith } from '../support/for-one-test.ts'
import { relayEntry, startOddVendor } from '../support/odd-relay.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const drawn = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } })
  .jpeg()
  .toBuffer()
const IMAGE = drawn.toString('base64')
const PART = { inlineData: { mimeType: 'image/jpeg', data: IMAGE } }
const USAGE = { usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 1_120 } }
const BLOCKED = { error: { code: 'moderation_blocked', message: 'no' } }

const COMPLETED = { type: 'image_generation.completed', b64_json: IMAGE, usage: { cost: 0.03 } }

/** What the vendor answers to a prompt: its status and body. */
const REPLIES: Readonly<Record<string, readonly [number, object | string]>> = {
  'null beside': [200, { data: [null, { b64_json: IMAGE }], usage: { cost: 0.04 } }],
  'text beside': [200, { data: [{ b64_json: IMAGE }, 'moderated'], usage: { cost: 0.04 } }],
  'charged in 200': [200, { ...BLOCKED, usage: { cost: 0.02 } }],
  'charged in 400': [400, { ...BLOCKED, usage: { cost: 0.02 } }],
  'free in 200': [200, { ...BLOCKED, usage: { cost: 0 } }],
  'price in 402': [402, { error: { message: 'too little credit' }, cost: 0.02 }],
  'error without code': [200, { error: { message: 'no', type: 'moderation_blocked' } }],
  'event without name': [200, `data: ${JSON.stringify({ ...COMPLETED, created_at: 1 })}\n\n`],
  'event without time': [200, `event: image_generation.completed\ndata: ${JSON.stringify(COMPLETED)}\n\n`],
  'null part': [200, { candidates: [{ content: { parts: [null, PART] }, finishReason: 'STOP' }], ...USAGE }],
  'null candidate': [200, { candidates: [null, { content: { parts: [PART] }, finishReason: 'STOP' }], ...USAGE }],
}

async function startShop() {
  const ordered: string[] = []
  const url = await startOddVendor((sent) => {
    const prompt = Object.keys(REPLIES).find((one) => sent.includes(one)) ?? ''
    ordered.push(prompt)
    const [status, body] = REPLIES[prompt] ?? [404, {}]
    return { status, body }
  })
  const gemini = `  gemini: { api_key: a-key-0123456, base_url: "${url}" }\n`
  const gateway = await gatewayWith(
    `providers:\n${relayEntry('one', url, '0.02')}${relayEntry('two', url, '0.02')}${relayEntry('streamed', url, '0.02', ', stream: true')}${gemini}`,
  )
  const headers = { 'content-type': 'application/json', prefer: 'wait=60' }
  return {
    ordered,
    async ask(model: string, prompt: string, n = 1): Promise<Generation> {
      const reply = await fetch(`${gateway.url}/v1/generations`, { method: 'POST', headers, body: JSON.stringify({ model, prompt, n }) })
      return (await reply.json()) as Generation
    },
  }
}

test('an entry that is no image loses none of the images beside it: they are paid for', async () => {
  const { ask } = await startShop()
  for (const prompt of ['null beside', 'text beside']) {
    const { status, images, cost } = await ask('one/flux-2-pro', prompt, 2)
    expect({ prompt, status, images: images.length, cost }).toMatchObject({
      status: 'succeeded',
      images: 1,
      cost: { amount: '0.04', basis: 'billed' },
    })
  }
  for (const prompt of ['null part', 'null candidate']) {
    const { status, images, cost } = await ask('gemini/gemini-3-pro-image', prompt)
    expect({ prompt, status, images: images.length, basis: cost.basis }).toEqual({
      prompt,
      status: 'succeeded',
      images: 1,
      basis: 'metered',
    })
  }
}, 60_000)

test('a streamed image is delivered and billed as its event says, without a name or a time of the event', async () => {
  const { ask } = await startShop()
  for (const prompt of ['event without name', 'event without time']) {
    const { status, images, cost } = await ask('streamed/flux-2-pro', prompt)
    expect({ prompt, status, images: images.length, cost }).toMatchObject({
      status: 'succeeded',
      images: 1,
      cost: { amount: '0.03', basis: 'billed' },
    })
  }
  const { error } = await ask('one/flux-2-pro', 'error without code')
  expect(error).toMatchObject({ code: 'moderated', provider_code: 'moderation_blocked', billed: 'unknown' })
}, 60_000)

test('a charge that a moderated reply names is kept, whatever its status, and nothing else is bought then', async () => {
  const { ask, ordered } = await startShop()
  for (const prompt of ['charged in 200', 'charged in 400']) {
    const { error, cost } = await ask('flux-2-pro', prompt)
    expect({ prompt, error, cost }).toMatchObject({ error: { code: 'moderated', billed: true }, cost: { amount: '0.02', basis: 'billed' } })
  }
  expect(ordered).toEqual(['charged in 200', 'charged in 400'])
  expect(await ask('one/flux-2-pro', 'free in 200')).toMatchObject({ cost: { amount: '0', basis: 'billed' } })
  expect(await ask('one/flux-2-pro', 'price in 402'), 'what it would have cost').toMatchObject({
    error: { billed: false },
    cost: { amount: '0' },
  })
}, 60_000)
