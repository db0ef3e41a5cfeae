import { useRealSockets } from '../transport/real-sockets.ts'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith, listening } from '../support/for-one-test.ts'

useRealSockets()

/** More than the connections that a provider has. */
const READERS = 1_100

test('readers of links whose server is slow hold up no purchase at the same server, where images are not kept', async () => {
  const vendor = await vendorWithSlowLinks()
  const sold = 'models: { flux-2-pro: { provider_model: x, price: { per_image: "0.03" } } }'
  const relay = `{ shape: openai-images, base_url: "${vendor.url}", api_key: vendor-key-0123456, ${sold} }`
  const gateway = await gatewayWith(`assets: { keep: false }\nproviders: { relay: ${relay} }\n`)

  const [image] = (await buy(gateway.url)).images
  const { hostname, port } = new URL(gateway.url)
  for (let begun = 0; begun < READERS; begun += 1) {
    const socket = connect(Number(port), hostname).on('error', () => {})
    onTestFinished(() => void socket.destroy())
    socket.resume().write(`GET /v1/images/${image?.id ?? ''} HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`)
  }
  await expect.poll(() => vendor.read(), { timeout: 30_000, interval: 20 }).toBeGreaterThanOrEqual(1_024)
  // A link is given up after 15 seconds of silence.
  expect(await buy(gateway.url, 8)).toMatchObject({ status: 'succeeded' })
}, 90_000)

async function buy(url: string, waitSeconds = 50): Promise<Generation> {
  const reply = await fetch(`${url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: `wait=${waitSeconds}` },
    body: JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse' }),
  })
  return (await reply.json()) as Generation
}

/** What it sells is behind links of its own, of which it sends the beginning; `read` counts those that were asked for. */
async function vendorWithSlowLinks() {
  let read = 0
  const server = createServer((request, response) => {
    request.resume()
    if (request.method === 'POST') {
      const body = JSON.stringify({ data: [{ url: `${url}/image.jpg` }] })
      response.writeHead(200, { 'content-type': 'application/json' }).end(body)
      return
    }
    read += 1
    response.writeHead(200, { 'content-type': 'image/jpeg' }).write(Buffer.alloc(128, 0xff))
  })
  const url = await listening(server)
  return { url, read: () => read }
}
