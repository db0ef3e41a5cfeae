import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { HttpProblem } from './http-problem.ts'
import { callerRequestId } from './request-id.ts'

/** What the code that works for a request can ask about it; small, since an open generation may keep it alive. */
interface RequestContext {
  readonly id: string
  readonly protocol: string
  readonly host: string | undefined
  readonly traceparent: string | undefined
  untilKeyEnds: UntilKeyEnds | undefined
  /** The gateway key that asks, as far as it is known. */
  key: string | null
  /** Headers of the answer, where it refuses the request. */
  onRefusal: Readonly<Record<string, string>> | undefined
}

/** What the route finds out on the way. */
const NOT_KNOWN = { untilKeyEnds: undefined, key: null, onRefusal: undefined } as const

const requests = new AsyncLocalStorage<RequestContext | undefined>()

/** The id of the request that this code works for, whatever the API; undefined outside of any. */
export const currentRequestId = (): string | undefined => requests.getStore()?.id

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** The trace that the request belongs to, as W3C Trace Context has it; undefined where there is none, or none that can be read. */
export function currentTraceparent(): string | undefined {
  const traceparent = requests.getStore()?.traceparent
  return traceparent !== undefined && TRACEPARENT.test(traceparent) ? traceparent : undefined
}

/**
 * The origin under which the request reached this gateway; undefined outside of one. Where no public URL is configured, links carry it: some
 * clients refuse a link to another host than the one they asked, and 127.0.0.1 is another than localhost. Of what a client may write into its
 * Host header, only a plain host and port count.
 */
export function askedOrigin(): string | undefined {
  const { protocol, host = '' } = requests.getStore() ?? {}
  return /^(?:[a-z0-9](?:[a-z0-9.-]{0,252})|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i.test(host)
    ? `${protocol}://${host.toLowerCase()}`
    : undefined
}

/**
 * Work for no request, which may have been begun by anybody's: its links carry the origin under which its own caller asked, where that is known, and
 * never that of another.
 */
export function workAskedAt<T>(asked: URL | null, work: () => T): T {
  if (asked === null) return requests.run(undefined, work)
  return requests.run({ ...NOT_KNOWN, id: '', traceparent: undefined, protocol: asked.protocol.slice(0, -1), host: asked.host }, work)
}

/** Headers of the answer that refuses this request, for code that does not see the answer. Outside of a request they go nowhere. */
export function headersOnRefusal(headers: Readonly<Record<string, string>>): void {
  const request = requests.getStore()
  if (request !== undefined) request.onRefusal = headers
}

/** Keeps whose request this is. */
export function keepKey(key: string | null): void {
  const request = requests.getStore()
  if (request !== undefined) request.key = key
}

/** The gateway key that this code works for; '' where there is none. */
export const currentKey = (): string => requests.getStore()?.key ?? ''

/** Work for a key that came behind its request, and ends with that one: each message of a WebSocket may name another. */
export function workForKey<T>(proved: Pick<RequestContext, 'key' | 'untilKeyEnds'>, work: () => T): T {
  const request = requests.getStore()
  return request === undefined ? work() : requests.run({ ...request, ...proved }, work)
}

/** Calls `end` once the key of a request counts no more. Returns what stops watching. */
export type UntilKeyEnds = (end: () => void) => () => void

/** Keeps how the end of this request's key is seen. */
export function keepKeyEnd(untilKeyEnds: UntilKeyEnds): void {
  const request = requests.getStore()
  if (request !== undefined) request.untilKeyEnds = untilKeyEnds
}

/**
 * What is waited for, as long as the key of this request counts; what goes on meanwhile goes on.
 * @throws HttpProblem `unauthorized` once it does not
 */
export function whileKeyCounts<T>(awaited: Promise<T>): Promise<T> {
  const untilKeyEnds = requests.getStore()?.untilKeyEnds
  if (untilKeyEnds === undefined) return awaited
  return new Promise((resolve, reject) => {
    const stop = untilKeyEnds(() => reject(new HttpProblem({ code: 'unauthorized', detail: KEY_ENDED })))
    const settling =
      <Given>(settle: (given: Given) => void) =>
      (given: Given): void => {
        stop()
        settle(given)
      }
    awaited.then(settling(resolve), settling(reject))
  })
}

const KEY_ENDED =
  'The key of this request was revoked, replaced, has expired or may see less while the request waited. What was bought goes on.'

/** The only status that has such headers. */
const TOO_MANY = 429

/** What is called from outside of the request works for it all the same. */
export const forThisRequest = <Arguments extends readonly unknown[]>(
  listener: (...given: Arguments) => void,
): ((...given: Arguments) => void) => AsyncLocalStorage.bind(listener)

/**
 * Keeps what is known of a request for everything that answers it, and puts `X-Request-Id` on every answer: the caller's, where it sent a sane
 * one. A compatible API may put its own in place of ours, never in place of the caller's. What does not say how long it may be kept is kept by no
 * cache: keys come in headers that a cache between does not know to part answers by, and some keep for a day what says nothing.
 */
export function installRequestContext(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id).header('cache-control', 'no-store')
    const { host, traceparent } = request.raw.headers as IncomingHttpHeaders & { readonly traceparent?: string }
    requests.run({ ...NOT_KNOWN, id: request.id, protocol: request.protocol, host, traceparent }, done)
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    const own = callerRequestId(request.raw.headers)
    if (own !== null) reply.header('x-request-id', own)
    const context = reply.statusCode === TOO_MANY ? requests.getStore() : undefined
    if (context?.onRefusal !== undefined) reply.headers(context.onRefusal)
    done(null, payload)
  })
}
