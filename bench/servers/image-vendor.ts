import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'

/** A vendor that answers a Runware task at once, with a link to itself: a JPEG of about 190 kB, other bytes each time. Prints its port. */
const size = { width: 1536, height: 1024 }
const image = await sharp({ create: { ...size, channels: 3, noise: { type: 'gaussian', mean: 128, sigma: 17 }, background: '#888' } })
  .jpeg({ quality: 60 })
  .toBuffer()
let made = 0

/** The image with a comment of its own behind its first marker, so that no two have the same hash. */
function freshImage(): Buffer {
  const text = String(++made).padStart(12, '0')
  const comment = Buffer.from([0xff, 0xfe, 0, text.length + 2])
  return Buffer.concat([image.subarray(0, 2), comment, Buffer.from(text), image.subarray(2)])
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    if (request.method === 'GET' && request.url?.startsWith('/image-')) {
      const bytes = freshImage()
      response.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': bytes.length }).end(bytes)
      return
    }
    const { port } = server.address() as AddressInfo
    const reply = answer(Buffer.concat(chunks).toString(), port)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(reply) }).end(reply)
  })
})

function answer(body: string, port: number): string {
  if (!body.startsWith('[')) return '{"ok":true}'
  const [{ taskUUID }] = JSON.parse(body) as [{ taskUUID: string }]
  const imageUUID = crypto.randomUUID()
  const imageURL = `http://127.0.0.1:${port}/image-${imageUUID}.jpg`
  return JSON.stringify({ data: [{ taskType: 'imageInference', taskUUID, imageUUID, imageURL, seed: 15903, cost: 0.045 }] })
}

server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
