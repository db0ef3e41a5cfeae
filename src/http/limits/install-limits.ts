import { Transform } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import { isForm, know, MOST_BYTES_OF_A_STRANGER, STRANGER, whenJudged } from '../access.ts'
import { passedThrough } from '../passed-through.ts'
import { holdStream } from './limits.ts'
import type { Limits, Release } from './limits.ts'
import { tooMuch } from './refusal.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Its answer stays open: an event stream. */
    isStream?: boolean
    /** Probes of load balancers are always answered. */
    isProbe?: boolean
  }
}

/** Smaller bodies are not worth counting. */
const COUNTED_FROM_BYTES = MOST_BYTES_OF_A_STRANGER
/** How long an answer may stand without its reader taking a byte of it. */
const UNREAD_MS = 60_000

/** Requests of an address in a minute. Must come before the caller is known, so that strangers count too. */
export function limitRequests(app: FastifyInstance, limits: Limits): void {
  app.addHook('onRequest', (request, reply, done) => {
    const counting = request.routeOptions.config.isProbe === true ? null : limits.overRequests(request, reply)
    if (counting === null) return done()
    void whenJudged(counting, (over) => {
      if (over !== undefined) know(request, STRANGER)
      done(over)
    })
  })
}

/** What stays open: streams and bodies. Must come after the caller is known. */
export function limitWhatIsOpen(app: FastifyInstance, limits: Limits, unreadMs = UNREAD_MS): void {
  app.addHook('onRoute', (route) => {
    if (route.config?.isStream !== true) return
    const hold: onRequestHookHandler = (request, reply, done) => {
      holdStream(limits, request, reply)
      done()
    }
    route.onRequest = [route.onRequest ?? [], hold].flat()
  })
  app.addHook('onRequest', (request, reply, done) => {
    const bytes = Number(request.headers['content-length'] ?? 0)
    if (bytes >= COUNTED_FROM_BYTES) onceBodyIsOver(request, reply, takeBytes(limits, request, reply, bytes))
    done()
  })

  app.addHook('preParsing', (request, reply, payload, done) => {
    const isOfUnknownLength = request.headers['transfer-encoding'] !== undefined
    if (!isOfUnknownLength) return done(null, payload)
    const counting = countingBytes(limits, request, reply)
    if (!isForm(request)) return done(null, passedThrough(counting, payload, request.raw))
    // A form is read from the request itself: it is counted beside its reader, and never waits for what nobody takes.
    counting.on('error', (error) => request.raw.listenerCount('error') > 0 && request.raw.emit('error', error)).resume()
    request.raw.once('resume', () => request.raw.on('data', (piece: Buffer) => void (counting.destroyed || counting.write(piece))))
    done(null, payload)
  })

  // A reader that stands still holds a file and a connection, never more than a buffer of memory; Node sets its own limit after the answer.
  app.addHook('onSend', (request, _reply, payload, done) => {
    if (isLong(payload)) request.raw.socket.setTimeout(unreadMs)
    done(null, payload)
  })
}

const isLong = (payload: unknown): boolean =>
  typeof payload === 'string' ? payload.length > COUNTED_FROM_BYTES : typeof payload === 'object' && payload !== null

/** @throws HttpProblem before anything of the body is read */
function takeBytes(limits: Limits, request: FastifyRequest, reply: FastifyReply, bytes: number): Release {
  const taken = limits.takeBytes(request, bytes)
  if (taken.kind === 'refused') throw tooMuch(taken.exceeded, reply)
  return taken.release
}

/** Whichever comes first: Node never says of a request that was answered before its body had come that it is closed. */
function onceBodyIsOver(request: FastifyRequest, reply: FastifyReply, release: Release): void {
  request.raw.once('close', release)
  reply.raw.once('close', release)
}

/** A body that does not say how long it is is counted as it comes. */
function countingBytes(limits: Limits, request: FastifyRequest, reply: FastifyReply): Transform {
  let uncounted = 0
  let isClosed = false
  const releases: Release[] = []
  onceBodyIsOver(request, reply, () => {
    isClosed = true
    releases.forEach((release) => release())
  })
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      uncounted += chunk.length
      // What a buffer still gives out after that would never be given back.
      if (isClosed || uncounted < COUNTED_FROM_BYTES) return done(null, chunk)
      try {
        releases.push(takeBytes(limits, request, reply, uncounted))
      } catch (error) {
        return done(error as Error)
      }
      uncounted = 0
      done(null, chunk)
    },
  })
}
