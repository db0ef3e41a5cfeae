import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { formFields } from './form.ts'
import { parseExactJson } from './numbers.ts'

export interface WireRequest {
  /** What stands for the `:names` of the route's path. */
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The parsed JSON, whose whole numbers beyond 2^53 are bigint; the fields of a form as `formFields` has them. */
  readonly body: unknown
  /** Settles when the client is gone or the reply is through. */
  readonly closed: Promise<void>
}

/** A 429 says `Retry-After: 1` unless its headers say otherwise. */
export interface WireReply {
  readonly status: number
  /** Strings and bytes go out as they are, anything else as JSON. */
  readonly body: unknown
  /** Content type; JSON where there is none. */
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  /** The connection is cut before any of the reply, or after half of the announced body. */
  readonly cut?: 'all' | 'half'
  /** The body goes out in small pieces over so long. */
  readonly dripMs?: number
  /** Instead of a body: what goes out one after the other, each as soon as it is there. `cut: 'half'` cuts within the first. */
  readonly pieces?: AsyncIterable<string>
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** Segments may be `:name`. */
  readonly path: string
  answer(request: WireRequest): WireReply | Promise<WireReply>
}

/** What the server refuses by itself; the vendor says in which shape. */
export type ServerProblem = 'not-found' | 'bad-json' | 'too-large' | 'crashed'

export interface ServeOptions {
  readonly routes: readonly Route[]
  readonly replies: Readonly<Record<ServerProblem, WireReply>>
  readonly port: number
}

const MAX_BODY_BYTES = 256 * 1024 * 1024
const DRIPS = 40

/** Listens on loopback. @throws the listen error, for example EADDRINUSE */
export async function serve({ routes, replies, port }: ServeOptions): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = http.createServer((request, response) => {
    const closed = new Promise<void>((resolve) => void response.once('close', resolve))
    answerTo(request, closed, routes, replies)
      .catch(() => replies.crashed)
      .then((reply) => send(response, reply))
      .catch(() => response.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answerTo(
  request: http.IncomingMessage,
  closed: Promise<void>,
  routes: readonly Route[],
  replies: ServeOptions['replies'],
): Promise<WireReply> {
  const url = new URL(request.url ?? '/', 'http://emulator')
  const found = routes.flatMap((route) => {
    const params = route.method === request.method ? paramsOf(route.path, url.pathname) : null
    return params ? [{ route, params }] : []
  })[0]
  const bytes = await bytesOf(request)
  if (!found) return replies['not-found']
  if (bytes === null) return replies['too-large']
  let body: unknown
  try {
    body = bytes.length > 0 ? await parsed(bytes, request.headers['content-type'] ?? '') : undefined
  } catch {
    return replies['bad-json']
  }
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  )
  return found.route.answer({ params: found.params, query: Object.fromEntries(url.searchParams), headers, body, closed })
}

const parsed = (bytes: Buffer, type: string): unknown =>
  type.startsWith('multipart/form-data') ? formFields(bytes, type) : parseExactJson(bytes.toString())

function paramsOf(pattern: string, path: string): Record<string, string> | null {
  const names = pattern.split('/')
  const parts = path.split('/')
  if (names.length !== parts.length) return null
  const params: Record<string, string> = {}
  for (const [index, name] of names.entries()) {
    const part = decodeURIComponent(parts[index] ?? '')
    if (name.startsWith(':')) params[name.slice(1)] = part
    else if (name !== part) return null
  }
  return params
}

async function bytesOf(request: http.IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request) {
    length += (chunk as Buffer).length
    if (length <= MAX_BODY_BYTES) chunks.push(chunk as Buffer)
  }
  return length > MAX_BODY_BYTES ? null : Buffer.concat(chunks)
}

async function send(response: http.ServerResponse, reply: WireReply): Promise<void> {
  if (response.destroyed) return
  if (reply.cut === 'all') {
    response.destroy()
    return
  }
  if (reply.pieces) return sendPieces(response, reply, reply.pieces)
  const isRaw = typeof reply.body === 'string' || Buffer.isBuffer(reply.body)
  const bytes = Buffer.isBuffer(reply.body) ? reply.body : Buffer.from(isRaw ? String(reply.body) : JSON.stringify(reply.body))
  const type = reply.type ?? (isRaw ? 'text/plain' : 'application/json')
  const patience = reply.status === 429 ? { 'retry-after': '1' } : {}
  response.writeHead(reply.status, { 'content-type': type, 'content-length': bytes.length, ...patience, ...reply.headers })
  if (reply.cut === 'half') response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.destroy())
  else if (reply.dripMs !== undefined) await drip(response, bytes, reply.dripMs)
  else response.end(bytes)
}

async function sendPieces(response: http.ServerResponse, { status, type, headers, cut }: WireReply, pieces: AsyncIterable<string>) {
  response.writeHead(status, { 'content-type': type ?? 'text/plain', ...headers })
  response.flushHeaders()
  for await (const piece of pieces) {
    if (response.destroyed) return
    if (cut === 'half') return void response.write(piece.slice(0, piece.length / 2), () => response.destroy())
    response.write(piece)
  }
  response.end()
}

async function drip(response: http.ServerResponse, bytes: Buffer, ms: number): Promise<void> {
  const size = Math.max(1, Math.ceil(bytes.length / DRIPS))
  for (let at = 0; at < bytes.length && !response.destroyed; at += size) {
    response.write(bytes.subarray(at, at + size))
    await pause(ms / DRIPS, undefined, { ref: false })
  }
  response.end()
}
