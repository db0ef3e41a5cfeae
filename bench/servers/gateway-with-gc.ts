import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startGateway } from '../../src/gateway/start.ts'

/** The same gateway, and beside it a port that answers what is really held: heap and buffers after a full collection. Prints both addresses. */
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const server = await startGateway({ env: process.env })

const heldServer = createServer((_request, response) => {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  response.end(String(heapUsed + external))
})
heldServer.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${server.url} http://127.0.0.1:${(heldServer.address() as AddressInfo).port}/held\n`),
)
