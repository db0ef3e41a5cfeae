import { createServer } from 'node:http'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { searchHeard } from '../support/traced.ts'

export interface Heard {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

type Answer = number | ((response: ServerResponse, count: number) => void)

/** A receiver of webhooks on loopback that answers as it should and remembers what it heard. */
export async function startReceiver(answer: Answer = 204) {
  const heard: Heard[] = []
  const waiting: { readonly count: number; readonly resolve: () => void }[] = []
  let answering = answer
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      searchHeard('a webhook', `${JSON.stringify(request.headers)} ${Buffer.concat(parts).toString()}`)
      heard.push({ headers: request.headers, body: Buffer.concat(parts).toString() })
      if (typeof answering === 'number') response.writeHead(answering).end()
      else answering(response, heard.length)
      for (const { count, resolve } of waiting) if (heard.length >= count) resolve()
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    heard,
    answerWith(next: Answer) {
      answering = next
    },
    /** Resolves once it has heard this many. */
    hears: (count: number) =>
      new Promise<void>((resolve) => {
        if (heard.length >= count) resolve()
        else waiting.push({ count, resolve })
      }),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => void server.close(resolve))
    },
  }
}

export type Receiver = Awaited<ReturnType<typeof startReceiver>>

/** What standardwebhooks' verifier is given. */
export const headersOf = ({ headers }: Heard): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
