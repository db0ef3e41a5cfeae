import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** A process that does nothing but watch its own event loop, as the gateway does. Answers the delay at p99 in milliseconds: so much is the machine's. */
const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()

const server = createServer((_request, response) => response.end(String(delay.percentile(99) / 1e6)))
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
