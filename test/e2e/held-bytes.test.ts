import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { json as readJson } from 'node:stream/consumers'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Generation } from '#contract'
import { heldBytes } from '../../src/reading/held-bytes.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { json, launchGateway, type Gateway } from './gateway.ts'

/** Noise: its base64 is long enough to be held outside of the JSON. */
const noise = (seed: number): Promise<Buffer> =>
  sharp(Buffer.from(Array.from({ length: 256 * 256 * 3 }, (_, index) => (index * seed * 7_919 + (index >> 3) * seed) & 255)), {
    raw: { width: 256, height: 256, channels: 3 },
  })
    .resize(1_024, 1_024, { kernel: 'nearest' })
    .png({ compressionLevel: 0 })
    .toBuffer()

let one: Buffer
let other: Buffer
let gateway: Gateway
let before: number
let bought: readonly [IncomingMessage, ServerResponse][] = []
const vendor = createServer((request, response) => {
  const answer = async () => {
    const { prompt } = (await readJson(request)) as { prompt: string }
    bought = [...bought, [request, response]]
    const item = (image: Buffer) => ({ b64_json: image.toString('base64') })
    const usage = { input_tokens: 10, input_tokens_details: { text_tokens: 10, image_tokens: 0 }, output_tokens: 100, total_tokens: 110 }
    const reply = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    const images = { created: 1, data: [item(one), item(other)], usage }
    if (prompt.includes('two instead of one')) reply(200, images)
    else if (prompt.includes('an error with an image')) reply(400, { error: { message: 'no', code: 'invalid_value' }, ...images })
    else if (prompt.includes('then too much')) reply(200, { ...images, more: Array.from({ length: 30_000 }, () => 1) })
    else if (prompt.includes('breaks off')) {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '99999999' })
      response.write(JSON.stringify(images).slice(0, -10), () => setTimeout(() => response.destroy(), 20))
    } else if (prompt.includes('on its way')) {
      const partial = { type: 'image_generation.partial_image', partial_image_index: 0, ...item(one) }
      const whole = { type: 'image_generation.completed', ...item(other), usage }
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const event of [partial, whole]) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
      response.end()
    } else if (prompt.includes('events'))
      response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .end([one, other].map((image) => `event: strange\ndata: ${JSON.stringify({ type: 'strange', ...item(image) })}\n\n`).join(''))
    else setTimeout(() => reply(200, images), 300)
  }
  answer().catch(() => response.destroy())
})

useRealSockets()
beforeAll(async () => {
  ;[one, other] = await Promise.all([noise(1), noise(2)])
  vendor.listen(0, '127.0.0.1')
  await once(vendor, 'listening')
  const url = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`
  gateway = await launchGateway({ providers: ['openai'], config: `providers: { openai: { base_url: "${url}", api_key: a-key-to-hold } }` })
  before = heldBytes()
})
afterAll(async () => {
  await gateway.close()
  vendor.closeAllConnections()
  vendor.close()
})

const MODEL = { model: 'openai/gpt-image-2', width: 1024, height: 1024 }
const nothingIsHeld = () => vi.waitFor(() => expect(heldBytes()).toBe(before), { timeout: 5_000, interval: 10 })

describe('nothing is held of the images in a reply', () => {
  test.each([
    'two instead of one',
    'an error with an image',
    'images, then too much',
    'images, and breaks off',
    'events that nobody knows',
    'events that show it on its way',
  ])('of %s', async (prompt) => {
    const { status } = await gateway.generate({
      ...MODEL,
      prompt,
      ...(prompt.includes('events') && { provider_options: { openai: { partial_images: 1 } } }),
    })
    expect(status).toBe(/^two|image$|way$/.test(prompt) ? 'succeeded' : 'failed')
    await nothingIsHeld()
  })

  test('to a generation that was canceled meanwhile', async () => {
    const asked = bought.length
    const { id } = await json<Generation>(await gateway.post('/v1/generations', { ...MODEL, prompt: 'slow' }, { prefer: 'respond-async' }))
    await vi.waitFor(() => expect(bought.length).toBe(asked + 1), { timeout: 20_000 })
    expect((await gateway.post(`/v1/generations/${id}/cancel`, {})).status).toBe(200)
    const [, response] = bought.at(-1) ?? []
    if (response && !response.writableFinished) await once(response, 'finish')
    await nothingIsHeld()
  })
})

/** The bytes of a request that ends early, on a connection of its own, which is then reset. */
async function breakOff(head: string, body: Buffer | string): Promise<void> {
  const { hostname, port } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(`POST ${head}\r\nHost: ${hostname}:${port}\r\nTransfer-Encoding: chunked\r\n\r\n`)
  const bytes = Buffer.from(body)
  socket.write(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]))
  await vi.waitFor(() => expect(heldBytes()).toBeGreaterThan(before), { timeout: 5_000, interval: 5 })
  socket.resetAndDestroy()
}

describe('nothing is held of the images in a request', () => {
  const uri = (image: Buffer) => `data:image/png;base64,${image.toString('base64')}`
  const part = (name: string, image: Buffer) =>
    Buffer.concat([
      Buffer.from(`--edge\r\nContent-Disposition: form-data; name="${name}"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n`),
      image,
      Buffer.from('\r\n'),
    ])

  test('that is refused for a later field, or for what follows', async () => {
    for (const more of [{ nonsense: 1 }, { prompt: 'x'.repeat(400_000) }]) {
      const { status } = await gateway.post('/v1/generations', { ...MODEL, reference_images: [uri(one)], ...more })
      expect(status).toBe(400)
    }
    await nothingIsHeld()
  })

  test('that breaks off behind the first', async () => {
    const text = JSON.stringify({ ...MODEL, prompt: 'a hill', reference_images: [uri(one), uri(other)] })
    await breakOff('/v1/generations HTTP/1.1\r\nContent-Type: application/json', text.slice(0, -10))
    await nothingIsHeld()
  })

  test('in a form that is refused behind the first, or breaks off there', async () => {
    const form = new FormData()
    form.set('model', 'gpt-image-2')
    form.set('prompt', 'a hill')
    form.append('image[]', new Blob([new Uint8Array(one)], { type: 'image/png' }), 'one.png')
    form.append('image[]', new Blob(['not an image at all, whatever its name says']), 'other.png')
    expect((await fetch(`${gateway.url}/v1/images/edits`, { method: 'POST', body: form })).status).toBe(400)
    await nothingIsHeld()
    const begun = Buffer.concat([part('image[]', one), part('image[]', other).subarray(0, -100_000)])
    await breakOff('/v1/images/edits HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=edge', begun)
    await nothingIsHeld()
  })
})
