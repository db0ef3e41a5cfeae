import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith, listening } from '../support/for-one-test.ts'

useRealSockets()

const KEYS = { own: 'the-key-of-the-owner', other: 'the-key-of-another', third: 'the-key-of-a-third' } as const
/** Together more than is held of all images on their way, and less for each key than a key may have on its way. */
const BODIES_OF_A_KEY = 21
const BASE64_CHARS = 36_000_000
const SIDE = 512

test('images that callers send and never end take no image from a paid reply, nor from a request of another key', async () => {
  const vendor = await vendorThatWaits()
  const url = await gateway(vendor.url)
  const image = await noise()
  const buying = buy(url, { model: 'flux-2-pro', prompt: 'a lighthouse', n: 2 })
  await vendor.asked
  const edit = JSON.stringify({ model: 'flux-2-pro', prompt: 'a tower', reference_images: [`data:image/png;base64,${image}`] })
  const asking = sendTo(url, KEYS.own, edit.length, edit.slice(0, -2))
  const endless = Buffer.from(`{"reference_images":["data:image/png;base64,${image.slice(0, 64)}${'A'.repeat(BASE64_CHARS)}","prompt":"`)
  for (let sent = 0; sent < BODIES_OF_A_KEY; sent += 1)
    await Promise.all([KEYS.other, KEYS.third].map((key) => sendTo(url, key, endless.length + 9, endless).sent))
  await new Promise((resolve) => setTimeout(resolve, 1_000))

  vendor.goOn()
  expect(await buying).toMatchObject({ status: 'succeeded', images: [{}, {}] })
  asking.end(edit.slice(-2))
  expect(await asking.answer).toContain('HTTP/1.1 20')
}, 300_000)

async function noise(): Promise<string> {
  const raw = { width: SIDE, height: SIDE, channels: 3 } as const
  const png = await sharp(randomBytes(SIDE * SIDE * 3), { raw })
    .png({ compressionLevel: 0 })
    .toBuffer()
  return png.toString('base64')
}

async function buy(url: string, body: object): Promise<Generation> {
  const headers = { authorization: `Bearer ${KEYS.own}`, 'content-type': 'application/json', prefer: 'wait=100' }
  const reply = await fetch(`${url}/v1/generations`, { method: 'POST', headers, body: JSON.stringify(body) })
  return ended(url, (await reply.json()) as Generation)
}

/** As it has ended, however long that takes on a busy machine. */
async function ended(url: string, { id, status }: Generation): Promise<Generation> {
  if (status !== 'running') return generationAt(url, id)
  return ended(url, await generationAt(url, id))
}

async function generationAt(url: string, id: string): Promise<Generation> {
  const reply = await fetch(`${url}/v1/generations/${id}`, { headers: { authorization: `Bearer ${KEYS.own}`, prefer: 'wait=60' } })
  return (await reply.json()) as Generation
}

/** A request whose body is longer than what is sent of it at first. */
function sendTo(url: string, key: string, length: number, text: string | Buffer) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  onTestFinished(() => void socket.destroy())
  const head = `POST /v1/generations HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${key}\r\nprefer: respond-async\r\n`
  socket.write(`${head}content-type: application/json\r\ncontent-length: ${length}\r\n\r\n`)
  const sent = new Promise<void>((resolve) => socket.write(text, () => resolve()))
  const answer = once(socket, 'data').then(([data]) => String(data))
  return { sent, answer, end: (rest: string) => void socket.write(rest) }
}

/** Answers the first purchase with an image, and with the second one once it may go on; it takes no edits. */
async function vendorThatWaits() {
  const { promise: asked, resolve: isAsked } = Promise.withResolvers<void>()
  let open: ServerResponse | undefined
  const images = await Promise.all([noise(), noise()])
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      if (open !== undefined) return void response.writeHead(400).end('{"error":{"message":"no"}}')
      open = response.writeHead(200, { 'content-type': 'application/json' })
      open.write(`{"created":1,"data":[{"b64_json":"${images[0] ?? ''}"},`, () => isAsked())
    })
  })
  return {
    url: await listening(server),
    asked,
    goOn: () => open?.end(`{"b64_json":"${images[1] ?? ''}"}]}`),
  }
}

async function gateway(vendorUrl: string): Promise<string> {
  const keys = Object.entries(KEYS).map(([name, key]) => `{ name: ${name}, key_hash: ${createHash('sha256').update(key).digest('hex')} }`)
  const sold = 'models: { flux-2-pro: { provider_model: x, price: { per_image: "0.03" } } }, references: reference_images'
  const relay = `{ shape: openai-images, base_url: "${vendorUrl}", api_key: vendor-key-0123456, ${sold} }`
  return (await gatewayWith(`keys: [${keys.join(', ')}]\nproviders: { relay: ${relay} }\n`)).url
}
