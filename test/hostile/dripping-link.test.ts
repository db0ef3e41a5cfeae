import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith, listening } from '../support/for-one-test.ts'

/** Sells at once; its link gives a byte of an image now and then, and never the last one. */
async function startDrippingVendor(): Promise<string> {
  const image = await sharp({ create: { width: 512, height: 512, channels: 3, background: '#468' } })
    .png()
    .toBuffer()
  const server = createServer((request, response) => {
    if (request.url === '/image.png') {
      let sent = 0
      const drip = () => void response.write(image.subarray(sent, ++sent))
      const timer = setInterval(drip, 50)
      response.once('close', () => clearInterval(timer))
      return response.writeHead(200, { 'content-type': 'image/png', 'content-length': image.length }).flushHeaders()
    }
    return void sell(request, response)
  })
  return listening(server)
}

async function sell(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [{ taskUUID }] = JSON.parse(await text(request)) as [{ readonly taskUUID: string }]
  const imageURL = `http://${request.headers.host}/image.png`
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ data: [{ taskType: 'imageInference', taskUUID, imageUUID: taskUUID, imageURL, cost: 0.03, seed: 7 }] }))
}

test(
  'a link that gives a byte now and then, for ever, does not keep a generation open for longer than links live',
  { timeout: 60_000 },
  async () => {
    const vendor = await startDrippingVendor()
    const server = await gatewayWith(
      `network: { allow: ["127.0.0.1"] }\nproviders: { runware: { api_key: a-key-of-the-vendor, base_url: "${vendor}" } }\n`,
      { patience: { linkMs: 600, longestLinkMs: 600, deadLinkMs: 100 } },
    )
    const reply = await fetch(`${server.url}/v1/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=40' },
      body: JSON.stringify({ model: 'runware/flux-2-pro', prompt: 'a lighthouse', width: 512, height: 512 }),
    })
    const generation = (await reply.json()) as Generation
    // What was bought is paid for.
    expect(generation).toMatchObject({ status: 'failed', error: { code: 'bad_reply', billed: true }, cost: { amount: '0.03' } })
  },
)
