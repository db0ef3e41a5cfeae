import { createServer } from 'node:http'
import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'

/** A vendor that takes every task and is not done with it for minutes: BFL's submit and poll. Prints its port. */
const server = createServer((request, response) => {
  request.resume()
  request.on('end', () => {
    const { port } = server.address() as AddressInfo
    const id = request.method === 'POST' ? randomUUID() : (request.url?.split('id=')[1] ?? '')
    const reply =
      request.method === 'POST'
        ? `{"id":"${id}","polling_url":"http://127.0.0.1:${port}/v1/get_result?id=${id}","cost":4.5,"input_mp":0.0,"output_mp":1.5}`
        : `{"id":"${id}","status":"Pending","result":null,"progress":null,"details":null}`
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(reply) })
    response.end(reply)
  })
})

server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
