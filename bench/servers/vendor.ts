import { createServer } from 'node:http'

/**
 * A vendor that answers at once, as a synchronous Runware generation or as OpenAI's images, so that a benchmark measures what stands before it.
 * Prints its port.
 */
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const reply = answer(request.url ?? '/', Buffer.concat(chunks).toString())
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(reply) })
    response.end(reply)
  })
})

const LINK = 'https://im.runware.ai/image/os/a21d05/ws/2/ii/045f8a5d-1974-4822-b1b3-9a04ef9e86f2.jpg'

function answer(url: string, body: string): string {
  if (url.endsWith('/images/generations')) return `{"created":1795900000,"data":[{"url":"${LINK}"}]}`
  if (!url.endsWith('/v1') || !body.startsWith('[')) return '{"ok":true}'
  const { taskUUID } = (JSON.parse(body) as [{ taskUUID: string }])[0]
  return `{"data":[{"taskType":"imageInference","taskUUID":"${taskUUID}","imageUUID":"045f8a5d-1974-4822-b1b3-9a04ef9e86f2","imageURL":"${LINK}","seed":15903,"cost":0.045}]}`
}

server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as { port: number }).port}\n`))
