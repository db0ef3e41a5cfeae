import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { ComparisonRow, Generation } from '#contract'
import type { Terminal } from '../../src/cli/terminal.ts'

export interface Heard {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
}

/** What is answered to one request; a `Buffer` goes out as bytes, `null` breaks the connection. */
export type Answer = { readonly status?: number; readonly body: unknown } | null

/** A loopback HTTP server that answers as asked and remembers what it heard, until the test ends. */
export async function fakeGateway(answer: (heard: Heard) => Answer): Promise<{ readonly url: string; readonly heard: readonly Heard[] }> {
  const heard: Heard[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const one: Heard = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: text === '' ? null : (JSON.parse(text) as unknown),
      }
      heard.push(one)
      const reply = answer(one)
      if (reply === null) {
        request.socket.destroy()
        return
      }
      response.statusCode = reply.status ?? 200
      response.end(Buffer.isBuffer(reply.body) || typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard }
}

export function generation(changes: Partial<Generation> = {}): Generation {
  return {
    id: 'gen_1',
    object: 'generation',
    status: 'succeeded',
    comparison: null,
    key: null,
    sandbox: false,
    model: 'big',
    provider: 'acme',
    provider_model: 'vendor-id',
    created_at: '2026-11-21T10:00:00.000Z',
    started_at: '2026-11-21T10:00:00.000Z',
    completed_at: '2026-11-21T10:00:05.000Z',
    progress: null,
    request: {},
    images: [
      {
        id: 'img_1',
        url: 'https://elsewhere.example/v1/images/img_1.jpg',
        width: 1504,
        height: 1008,
        format: 'jpeg',
        bytes: 412_345,
        sha256: 'aa',
        seed: '9007199254740993',
        flagged: null,
      },
    ],
    prompt_used: null,
    cost: { currency: 'USD', quoted: '0.045', amount: '0.045', basis: 'billed', lines: [] },
    timing: { queued_ms: 1, provider_ms: 5000, store_ms: 10, total_ms: 5300, polls: 3 },
    routing: { strategy: 'price', considered: [] },
    attempts: [],
    warnings: [],
    error: null,
    metadata: {},
    ...changes,
  }
}

/** A terminal that remembers; nobody watches it. */
export function fakeTerminal(
  env: Terminal['env'] = {},
  input = '',
): Terminal & { readonly stdout: () => string; readonly stderr: () => string } {
  const [out, err]: [string[], string[]] = [[], []]
  return {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    draw: (text) => void err.push(text),
    isInteractive: false,
    columns: 120,
    env,
    input: async () => input,
    stopped: () => new Promise(() => {}),
    stdout: () => out.join('\n'),
    stderr: () => err.join('\n'),
  }
}

/** A row of a comparison's summary whose provider delivered. */
export const comparisonRow = (provider: string, changes: Partial<ComparisonRow> = {}): ComparisonRow => ({
  provider,
  status: 'succeeded',
  quoted: '0.03',
  amount: '0.03',
  vs_cheapest: '+0%',
  fidelity: 'exact',
  assumptions: [],
  total_ms: 5300,
  images: 1,
  bytes: 412_345,
  width: 1536,
  height: 1024,
  error_code: null,
  reasons: [],
  generation_id: `gen_${provider}`,
  ...changes,
})
