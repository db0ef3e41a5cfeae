import { Agent, request } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Answer } from '../support/openapi-judge.ts'

const agent = new Agent({ keepAlive: true, maxSockets: 32 })
/** A stream of events may go on: what came by then is judged. */
const LONGEST_MS = 4_000

export interface Sent {
  readonly method: string
  readonly path: string
  /** Name and value by turns, as they are sent; a name may come more than once. */
  readonly headers: readonly string[]
  readonly body: Buffer | null
}

export interface Received extends Answer {
  readonly headers: IncomingHttpHeaders
}

/** One request as it is, without what `fetch` corrects or refuses. @throws where the connection ends without an answer */
export function send(origin: string, { method, path, headers, body }: Sent): Promise<Received> {
  const { hostname, port, host } = new URL(origin)
  const names = new Set(headers.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()))
  const whole = [
    ...(names.has('host') ? [] : ['host', host]),
    ...headers,
    ...(body === null || names.has('content-length') ? [] : ['content-length', String(body.length)]),
  ]
  return new Promise((resolve, reject) => {
    const asked = request({ agent, hostname, port, method, path, headers: whole as unknown as Record<string, string> })
    asked.once('error', reject)
    asked.once('response', (reply) => void received(reply).then(resolve, reject))
    asked.end(body ?? undefined)
  })
}

async function received(reply: IncomingMessage): Promise<Received> {
  const timer = setTimeout(() => reply.destroy(), LONGEST_MS)
  const parts: Buffer[] = []
  try {
    for await (const part of reply) parts.push(part as Buffer)
  } catch {
    // It was cut off here; its head is judged.
  }
  clearTimeout(timer)
  const { statusCode = 0, headers } = reply
  return { status: statusCode, type: headers['content-type'] ?? '', headers, body: Buffer.concat(parts) }
}

export const closeClient = (): void => agent.destroy()
