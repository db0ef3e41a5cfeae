import { randomBytes, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { once } from 'node:events'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { problem, type Gateway } from './gateway.ts'
import { launchProcess } from './gateway-process.ts'

const DRAWN = sharp({ create: { width: 64, height: 64, channels: 3, background: '#468' } })
const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><script>alert(1)</script></svg>'

/** A vendor that delivers the file its prompt names, under a label that says it is a page. */
let files: Readonly<Record<string, Buffer | string>> = {}
const vendor = createServer((request, response) => {
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/html' }).end(files[(request.url ?? '').slice(1)])
    return
  }
  let body = ''
  request.on('data', (chunk) => (body += String(chunk)))
  request.on('end', () => {
    const [task] = JSON.parse(body) as [{ taskUUID: string; positivePrompt: string; taskType: string }]
    const imageURL = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}/${task.positivePrompt}`
    const answer = { ...task, imageUUID: task.taskUUID, imageURL, cost: 0.03, seed: 1 }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data: [answer] }))
  })
})

let gateway: Gateway
beforeAll(async () => {
  files = {
    jpeg: await DRAWN.clone().jpeg().toBuffer(),
    png: await DRAWN.clone().png().toBuffer(),
    webp: await DRAWN.clone().webp().toBuffer(),
    large: await sharp({ create: { width: 900, height: 600, channels: 3, background: '#468' } })
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer(),
    vast: await sharp(randomBytes(2_400 * 2_400 * 3), { raw: { width: 2_400, height: 2_400, channels: 3 } })
      .png({ compressionLevel: 0 })
      .toBuffer(),
    svg: SVG,
    page: `<!doctype html>${SVG}`,
  }
  vendor.listen(0, '127.0.0.1')
  await once(vendor, 'listening')
  const url = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`
  gateway = await launchProcess({
    config: `providers: { runware: { api_key: a-key-of-sixteen-chars, base_url: "${url}" } }\n`,
    patience: { linkMs: 100 },
    unreadMs: 500,
  })
})
afterAll(async () => {
  await gateway.close()
  vendor.close()
})

const generated = (file: string) =>
  gateway.generate({ model: 'runware/flux-2-pro', prompt: file, width: 64, height: 64 }, { prefer: 'wait=60' })

describe('a stored image', () => {
  test.each(['jpeg', 'png', 'webp'])(
    'that is a %s is served as one in a sandbox, whatever its label and the address say',
    async (format) => {
      const { images } = await generated(format)
      const url = images[0]?.url ?? ''
      for (const [address, init] of [
        [url, {}],
        [url.replace(/\.[a-z]+$/, '.html'), {}],
        [url.replace(/\.[a-z]+$/, '.svg'), {}],
        [url, { headers: { range: 'bytes=0-9' } }],
        [url, { headers: { 'if-none-match': '*' } }],
      ] as const) {
        const reply = await fetch(address, init)
        expect([200, 206, 304]).toContain(reply.status)
        expect(Object.fromEntries(reply.headers)).toMatchObject({
          'content-type': `image/${format}`,
          'x-content-type-options': 'nosniff',
          'content-security-policy': "default-src 'none'; sandbox",
        })
        await reply.arrayBuffer()
      }
    },
  )
})

test('a reader that takes nothing of an image for the time it has is cut off, and one that reads gets all of it', async () => {
  const { images } = await generated('vast')
  const { port, pathname } = new URL(images[0]?.url ?? '')
  const dial = () => {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => {})
    socket.write(`GET ${pathname} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`)
    return socket
  }
  const bytesOf = async (socket: ReturnType<typeof dial>): Promise<number> => {
    let bytes = 0
    socket.on('data', (part) => (bytes += part.length))
    await once(socket, 'close')
    return bytes
  }
  const silent = dial()
  expect(await bytesOf(dial())).toBeGreaterThan(files['vast']?.length ?? Infinity)
  await new Promise((resolve) => setTimeout(resolve, 1_200))
  // What the system had taken by then still comes, and then the end.
  expect(await bytesOf(silent)).toBeLessThan(files['vast']?.length ?? 0)
})

/** One frame of text as a client of a WebSocket sends it, masked with zeros. */
function frameOf(text: string): Buffer {
  const bytes = Buffer.from(text)
  const head = Buffer.from([0x81, 0x80 | 126, 0, 0, 0, 0, 0, 0])
  head.writeUInt16BE(bytes.length, 2)
  return Buffer.concat([head, bytes])
}

const HEAD = ' HTTP/1.1\r\nhost: 127.0.0.1\r\n'
const UPGRADE =
  'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
const streamed = JSON.stringify({ model: 'runware/flux-2-pro', prompt: 'vast', size: '1024x1024', stream: true })
const task = { taskType: 'imageInference', model: 'bfl:5@1', positivePrompt: 'vast', width: 1024, height: 1024, outputType: 'base64Data' }

/** What a client says that is then answered with the vast image in base64. */
const SAID: Readonly<Record<string, () => readonly Buffer[]>> = {
  'an event stream': () => [
    Buffer.from(
      `POST /v1/images/generations${HEAD}content-type: application/json\r\ncontent-length: ${streamed.length}\r\n\r\n${streamed}`,
    ),
  ],
  'a WebSocket': () => [Buffer.from(`GET /runware/v1${HEAD}${UPGRADE}`), frameOf(JSON.stringify([{ ...task, taskUUID: randomUUID() }]))],
}

test.each(Object.entries(SAID))('%s whose reader takes nothing for the time it has is dropped', async (_, say) => {
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1').on('error', () => {})
  let bytes = 0
  const next = async (): Promise<void> => void (bytes += ((await once(socket, 'data')) as [Buffer])[0].length)
  for (const part of say()) {
    // The answer of an upgrade comes before a frame may be sent.
    if (socket.bytesWritten > 0) await next()
    socket.write(part)
  }
  // The image has begun to come.
  for (;;) {
    if (bytes >= 65_536) break
    await next()
  }
  socket.pause()
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  socket.on('data', (part) => (bytes += part.length)).resume()
  await once(socket, 'close')
  expect(bytes).toBeLessThan(((files['vast']?.length ?? 0) * 4) / 3)
})

describe('a small image', () => {
  const small = (url: string, width: number | string, init: RequestInit = {}) => fetch(`${url}?w=${width}`, init)
  const imageFiles = () =>
    readdirSync(gateway.folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /^[0-9a-f]{64}\./.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))

  test('is a WebP of the asked width as the image is seen, made once however many ask, with the caching of the image', async () => {
    const { images } = await generated('large')
    const url = images[0]?.url ?? ''
    const replies = await Promise.all(Array.from({ length: 8 }, () => small(url, 256)))
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200))
    const bodies = await Promise.all(replies.map(async (reply) => Buffer.from(await reply.arrayBuffer())))
    expect(new Set(bodies.map((bytes) => bytes.toString('base64'))).size).toBe(1)
    // Turned by its EXIF orientation: 900 × 600 in the file.
    expect(await sharp(bodies[0]).metadata()).toMatchObject({ format: 'webp', width: 256, height: 384 })
    expect(imageFiles().filter((path) => path.includes(`${images[0]?.sha256}.jpg.w256.`))).toHaveLength(1)
    const plain = await fetch(url)
    expect(replies[0]?.headers.get('cache-control')).toBe(plain.headers.get('cache-control'))
    expect(replies[0]?.headers.get('content-type')).toBe('image/webp')
    const etag = replies[0]?.headers.get('etag') ?? ''
    expect(etag).not.toBe(plain.headers.get('etag'))
    await plain.arrayBuffer()
    expect((await small(url, 256, { headers: { 'if-none-match': etag } })).status).toBe(304)
    const part = await small(url.replace(/\.[a-z]+$/, ''), 256, { headers: { range: 'bytes=0-3' } })
    expect([part.status, await part.text()]).toEqual([206, 'RIFF'])
    const bytes = await createClient({ url: gateway.url }).image({ url }, { width: 128 })
    expect(await sharp(bytes).metadata()).toMatchObject({ width: 128, height: 192 })
  })

  test('is never larger than its image, and has one of a few widths', async () => {
    const { images } = await generated('png')
    const url = images[0]?.url ?? ''
    expect(await sharp(Buffer.from(await (await small(url, 1024)).arrayBuffer())).metadata()).toMatchObject({ width: 64, height: 64 })
    for (const width of ['257', '0', '1e9', 'x', '']) {
      const reply = await small(url, width)
      expect([reply.status, (await problem(reply)).errors?.[0]?.path]).toEqual([400, 'w'])
    }
  })

  test('of an image that cannot be decoded is a problem that says so, of one that is gone 410', async () => {
    const { images } = await generated('webp')
    const url = images[0]?.url ?? ''
    const path = imageFiles().find((name) => name.endsWith(`${images[0]?.sha256}.webp`)) ?? ''
    writeFileSync(path, Buffer.alloc(images[0]?.bytes ?? 0))
    for (let time = 0; time < 2; time++) {
      const reply = await small(url, 128)
      expect([reply.status, await problem(reply)]).toEqual([
        422,
        expect.objectContaining({ detail: expect.stringContaining('cannot be decoded') }),
      ])
    }
    rmSync(path)
    expect((await small(url, 256)).status).toBe(410)
  })
})

test.each(['svg', 'page'])('a vendor’s %s is never stored, so it is never served', async (file) => {
  expect(await generated(file)).toMatchObject({ status: 'failed', images: [], error: { code: 'bad_reply' } })
})
