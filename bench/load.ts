import { Agent, request as send } from 'undici'
import { cpuMicroseconds } from './processes.ts'
import type { Served } from './processes.ts'

export interface Measured {
  readonly cpuPerRequest: number
  readonly requestsPerSecond: number
}

/** What `load` asks of a server. */
export type Loaded = Pick<Served, 'url' | 'pid'> & { readonly headers?: Readonly<Record<string, string>> }

/**
 * Requests before anything is measured. V8 goes on compiling what is new to it for about as many, which even at 200 requests/s is over in two
 * minutes of a process that runs for weeks.
 */
export const WARM_UP = 20_000

/** Posts the same body over and over on `connections` kept-alive connections and reads what the server's CPU was. */
export async function load(server: Loaded, path: string, body: string, requests: number, connections = 64): Promise<Measured> {
  const dispatcher = new Agent({ connections, allowH2: false })
  let left = requests
  const before = cpuMicroseconds(server.pid)
  const startedAt = performance.now()
  const worker = async () => {
    while (left-- > 0) {
      const reply = await send(`${server.url}${path}`, {
        method: 'POST',
        dispatcher,
        headers: { 'content-type': 'application/json', ...server.headers },
        body,
      })
      const text = await reply.body.text()
      if (reply.statusCode !== 200) throw new Error(`${path} answered ${reply.statusCode}: ${text.slice(0, 300)}`)
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
  const seconds = (performance.now() - startedAt) / 1000
  const cpu = cpuMicroseconds(server.pid) - before
  await dispatcher.close()
  return { cpuPerRequest: cpu / requests, requestsPerSecond: requests / seconds }
}
