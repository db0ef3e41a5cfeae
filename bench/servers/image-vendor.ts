import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { crc32 } from 'node:zlib'
import sharp from 'sharp'

/**
 * A vendor that answers a Runware task at once, with a link to an image of its own, other bytes each time: by its argument a JPEG of about
 * 190 kB, a PNG of about 3.3 MB, or one of 12 MB. Prints its port.
 */
const KINDS = { jpeg: [1_536, 1_024, 17], png: [1_024, 1_024, 25], large: [2_048, 1_920, 25] } as const
const kind = process.argv[2] === 'png' || process.argv[2] === 'large' ? process.argv[2] : 'jpeg'
const [width, height, sigma] = KINDS[kind]
const drawn = sharp({ create: { width, height, channels: 3, noise: { type: 'gaussian', mean: 128, sigma }, background: '#888' } })
const image = await (kind === 'jpeg' ? drawn.jpeg({ quality: 60 }) : drawn.png({ compressionLevel: 1 })).toBuffer()
let made = 0

/** The image with a comment of its own, so that no two have the same hash. */
function freshImage(): Buffer {
  const text = String(++made).padStart(12, '0')
  if (kind === 'jpeg') {
    const comment = Buffer.from([0xff, 0xfe, 0, text.length + 2])
    return Buffer.concat([image.subarray(0, 2), comment, Buffer.from(text), image.subarray(2)])
  }
  const chunk = Buffer.from(`\0\0\0\x12tEXtnumber${text}\0\0\0\0`, 'latin1')
  chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), chunk.length - 4)
  return Buffer.concat([image.subarray(0, BEHIND_HEADER), chunk, image.subarray(BEHIND_HEADER)])
}
/** PNG's signature and its first chunk. */
const BEHIND_HEADER = 8 + 25

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    if (request.method === 'GET' && request.url?.startsWith('/image-')) {
      const bytes = freshImage()
      response.writeHead(200, { 'content-type': kind === 'jpeg' ? 'image/jpeg' : 'image/png', 'content-length': bytes.length }).end(bytes)
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
