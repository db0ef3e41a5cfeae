import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'

/**
 * A vendor that answers a Runware task at once with a link to a JPEG of its own; where the prompt says `hostile:image`, to half of one, and
 * where it says `hostile:reply`, with 20,000 images. Prints its port.
 *
 * The rest of a half image comes the third time it is fetched: what was bought is fetched again while its link may live, and hundreds of such images would
 * be fetched all through the rounds that are to be calm.
 */
const HALVES = 2
const noise = { type: 'gaussian', mean: 128, sigma: 17 } as const
const image = await sharp({ create: { width: 1024, height: 1024, channels: 3, noise, background: '#888' } })
  .jpeg({ quality: 60 })
  .toBuffer()
const half = image.subarray(0, image.length / 2)
const TOO_MANY = JSON.stringify({
  data: Array.from({ length: 20_000 }, (_, index) => ({ taskType: 'imageInference', imageURL: `https://x.example/${index}` })),
})

/** How often each link still delivers half of its image. */
const halves = new Map<string, number>()

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    if (request.method === 'GET') {
      const bytes = (halves.get(request.url ?? '') ?? 0) > 0 ? half : image
      if (bytes === half) halves.set(request.url ?? '', (halves.get(request.url ?? '') ?? 0) - 1)
      response.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': bytes.length }).end(bytes)
      return
    }
    const { port } = server.address() as AddressInfo
    const reply = answer(Buffer.concat(chunks).toString(), `http://127.0.0.1:${port}`)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(reply) }).end(reply)
  })
})

function answer(body: string, own: string): string {
  if (!body.startsWith('[')) return '{"data":[]}'
  if (body.includes('hostile:reply')) return TOO_MANY
  const { taskUUID } = (JSON.parse(body) as [{ taskUUID: string }])[0]
  const path = body.includes('hostile:image') ? `/${taskUUID}.jpg` : '/whole.jpg'
  if (path !== '/whole.jpg') halves.set(path, HALVES)
  const imageURL = own + path
  return JSON.stringify({ data: [{ taskType: 'imageInference', taskUUID, imageUUID: taskUUID, imageURL, seed: 15_903, cost: 0.045 }] })
}

server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as { port: number }).port}\n`))
