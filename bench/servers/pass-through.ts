import { createServer } from 'node:http'
import { Agent, request as send } from 'undici'

/** The floor: takes a request, sends one to the vendor with undici, returns the reply. No log, no disk, no schema. Prints its port. */
const vendor = process.argv[2] ?? ''
const dispatcher = new Agent({ connections: 64, allowH2: false })

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => void answer())
  const answer = async () => {
    const reply = await send(`${vendor}/v1`, {
      method: 'POST',
      dispatcher,
      headers: { 'content-type': 'application/json' },
      body: Buffer.concat(chunks),
    })
    const body = await reply.body.text()
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    response.end(body)
  }
})

server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as { port: number }).port}\n`))
