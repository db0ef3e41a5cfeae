import http from 'node:http'
import type { AddressInfo } from 'node:net'

export type Purpose = 'submit' | 'poll' | 'account' | 'image'

/** One request that came to a vendor. */
export interface Visit {
  readonly purpose: Purpose
  /** Path and query. */
  readonly path: string
  readonly body: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** What becomes of the vendor's reply on its way back. The vendor itself has heard the request and acted, but for `refuse`. */
export type Treatment =
  | { readonly kind: 'pass' }
  | { readonly kind: 'slow'; readonly ms: number }
  /** All bytes are announced, half of them come, then the connection is cut. */
  | { readonly kind: 'half' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'garbage' }
  /** No reply, and the connection stays open. */
  | { readonly kind: 'hang' }
  /** The vendor's front answers 503 instead. */
  | { readonly kind: 'refuse' }

export interface Front {
  readonly url: string
  readonly visits: readonly Visit[]
  /** Asked at each request; `pass` where it is not set. */
  treat: (visit: Visit) => Treatment
  /** Asked after the vendor has answered and before anything of it leaves; a promise is waited for. */
  beforeReply: (visit: Visit) => Promise<void> | void
  close(): Promise<void>
}

/** A server before an emulator, over real HTTP: what vendors' links name is here, so that every byte passes and can be spoilt on its way. */
export async function startFront(upstream: string): Promise<Front> {
  const visits: Visit[] = []
  let origin = ''
  const server = http.createServer((request, response) => {
    request.on('error', () => {})
    void relay(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  async function relay(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const body = await bodyOf(request)
    const visit: Visit = { purpose: purposeOf(request, body), path: request.url ?? '/', body: body.toString(), at: Date.now() }
    visits.push(visit)
    const treatment = front.treat(visit)
    if (treatment.kind === 'refuse') {
      response.writeHead(503).end('Service Unavailable')
      return
    }
    const reply = await fetch(`${upstream}${request.url ?? '/'}`, {
      method: request.method ?? 'GET',
      headers: headersFor(request),
      ...(body.length > 0 ? { body } : {}),
    }).catch(() => null)
    if (!reply) {
      response.destroy()
      return
    }
    const type = reply.headers.get('content-type') ?? 'application/octet-stream'
    const { bytes, isWhole } = await read(reply)
    if (!isWhole) {
      // What breaks off at the vendor breaks off here, at the same byte.
      response.writeHead(reply.status, { 'content-type': type, 'content-length': reply.headers.get('content-length') ?? bytes.length + 1 })
      response.write(bytes, () => response.destroy())
      return
    }
    const shown = type.includes('json') ? Buffer.from(bytes.toString().replaceAll(upstream, origin)) : bytes
    await front.beforeReply(visit)
    await deliver(response, treatment, reply.status, type, reply.headers.get('retry-after'), shown)
  }

  const front: Front = {
    url: origin,
    visits,
    treat: () => ({ kind: 'pass' }),
    beforeReply: () => {},
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return front
}

async function deliver(
  response: http.ServerResponse,
  treatment: Treatment,
  status: number,
  type: string,
  retryAfter: string | null,
  bytes: Buffer,
): Promise<void> {
  switch (treatment.kind) {
    case 'reset':
      response.destroy()
      return
    case 'garbage':
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>502 Bad Gateway</body></html>')
      return
    case 'half':
      response.writeHead(status, { 'content-type': type, 'content-length': bytes.length })
      response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.destroy())
      return
    case 'hang':
    case 'refuse':
      return
    case 'slow':
      await new Promise((resolve) => setTimeout(resolve, treatment.ms))
      break
    case 'pass':
  }
  response.writeHead(status, {
    'content-type': type,
    'content-length': bytes.length,
    ...(retryAfter === null ? {} : { 'retry-after': retryAfter }),
  })
  response.end(bytes)
}

async function read(reply: Response): Promise<{ readonly bytes: Buffer; readonly isWhole: boolean }> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of reply.body ?? []) chunks.push(chunk)
    return { bytes: Buffer.concat(chunks), isWhole: true }
  } catch {
    return { bytes: Buffer.concat(chunks), isWhole: false }
  }
}

async function bodyOf(request: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function headersFor(request: http.IncomingMessage): Record<string, string> {
  const names = ['content-type', 'authorization', 'x-key', 'range']
  return Object.fromEntries(names.flatMap((name) => (typeof request.headers[name] === 'string' ? [[name, request.headers[name]]] : [])))
}

function purposeOf({ method, url = '' }: http.IncomingMessage, body: Buffer): Purpose {
  if (/\.(jpe?g|png|webp)(\?|$)/.test(url)) return 'image'
  if (url.includes('/credits') || body.includes('accountManagement')) return 'account'
  return method === 'GET' || body.includes('getResponse') ? 'poll' : 'submit'
}
