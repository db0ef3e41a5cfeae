import { useRealSockets } from '../transport/real-sockets.ts'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith, listening } from '../support/for-one-test.ts'
import type { ServerProcess } from '../crash/process.ts'

useRealSockets()

const HEADS = 200

test('HEAD of an image says what GET does and reads nothing of it, however many of them come', async () => {
  const image = await noise(2_000)
  const gateway = await gatewayBefore(await vendorOf(image, false), true)
  const path = await bought(gateway.url)
  const [head, get] = await Promise.all([fetch(gateway.url + path, { method: 'HEAD' }), fetch(gateway.url + path)])
  const said = ({ status, headers }: Response) => [
    status,
    ...['content-length', 'content-type', 'etag', 'accept-ranges'].map((name) => headers.get(name)),
  ]
  expect(said(head)).toEqual(said(get))
  expect((await get.arrayBuffer()).byteLength).toBe(image.length)

  const before = bytesRead(gateway.pid)
  for (let sent = 0; sent < HEADS; sent += 20)
    await Promise.all(Array.from({ length: 20 }, () => fetch(gateway.url + path, { method: 'HEAD' })))
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  expect(bytesRead(gateway.pid) - before).toBeLessThan(image.length * 10)
}, 60_000)

test('HEAD of an image that is behind a slow link keeps no connection to its server', async () => {
  const vendor = await vendorOf(await noise(64), true)
  const { url } = await gatewayBefore(vendor, false)
  const path = await bought(url)
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(`HEAD ${path} HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\n\r\n`)
  await once(socket, 'data')
  socket.destroy()
  await expect.poll(() => [vendor.asked(), vendor.open()], { timeout: 10_000 }).toEqual([1, 0])
}, 60_000)

interface Vendor {
  readonly url: string
  /** How many images were asked for, and how many of them are on their way. */
  asked(): number
  open(): number
}

/** It sells an image behind a link: at once, or the beginning of it and then a byte each second. */
async function vendorOf(image: Buffer, isSlow: boolean): Promise<Vendor> {
  let [asked, open] = [0, 0]
  const server = createServer((request, response) => {
    request.resume()
    if (request.method === 'POST') {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data: [{ url: `${url}/image.png` }] }))
      return
    }
    asked += 1
    open += 1
    response.writeHead(200, { 'content-type': 'image/png' })
    if (!isSlow) return void response.end(image)
    response.write(image.subarray(0, 1_000))
    const drip = setInterval(() => response.write('.'), 1_000)
    response.once('close', () => {
      clearInterval(drip)
      open -= 1
    })
  })
  const url = await listening(server)
  return { url, asked: () => asked, open: () => open }
}

function gatewayBefore({ url }: Vendor, keep: boolean): Promise<ServerProcess> {
  const sold = 'models: { flux-2-pro: { provider_model: x, price: { per_image: "0.03" } } }'
  const relay = `{ shape: openai-images, base_url: "${url}", api_key: vendor-key-0123456, ${sold} }`
  return gatewayWith(`assets: { keep: ${keep} }\nproviders: { relay: ${relay} }\n`)
}

/** The path of a new image. */
async function bought(url: string): Promise<string> {
  const reply = await fetch(`${url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse' }),
  })
  const { images } = (await reply.json()) as Generation
  return `/v1/images/${images[0]?.id ?? ''}`
}

const noise = (side: number): Promise<Buffer> =>
  sharp(randomBytes(side * side * 3), { raw: { width: side, height: side, channels: 3 } })
    .png({ compressionLevel: 1 })
    .toBuffer()

const bytesRead = (pid: number): number => Number(/^rchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1])
