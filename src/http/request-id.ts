import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** What a caller may name its request by: it goes into logs and headers as it is. */
const SANE = /^[A-Za-z0-9._-]{1,128}$/

function callerRequestId({ 'x-request-id': id }: IncomingHttpHeaders): string | null {
  return typeof id === 'string' && SANE.test(id) ? id : null
}

/** The caller's own, else a new one. */
export const requestIdOf = ({ headers }: Pick<IncomingMessage, 'headers'>): string => callerRequestId(headers) ?? newRequestId()

export const newRequestId = (): string => `req_${randomUUID().replaceAll('-', '')}`

const requests = new AsyncLocalStorage<string>()

/** The id of the request that this code works for, whatever the API; undefined outside of any, as within a WebSocket. */
export const currentRequestId = (): string | undefined => requests.getStore()

/**
 * `X-Request-Id` on every answer: the caller's, where it sent a sane one. A compatible API may put its own in place of ours, never in place of the
 * caller's.
 */
export function installRequestIds(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    // An answer that is taken over, by a stream or an agents' protocol, carries it too.
    reply.raw.setHeader('x-request-id', request.id)
    reply.header('x-request-id', request.id)
    requests.run(request.id, done)
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    const own = callerRequestId(request.headers)
    if (own !== null) reply.header('x-request-id', own)
    done(null, payload)
  })
}
