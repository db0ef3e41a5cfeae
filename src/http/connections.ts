import { STATUS_CODES } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { boundChunks, TOO_MANY_CHUNKS } from './bound-chunks.ts'
import { takeBytesInTurns } from './bytes-in-turns.ts'
import { closeUnread } from './close-unread.ts'
import { shapeOf } from './error-shape.ts'
import type { ErrorShape } from './error-shape.ts'
import { HttpProblem } from './http-problem.ts'
import type { ProblemDetails } from './http-problem.ts'
import { boundRequestsAhead } from './requests-ahead.ts'
import { problemDocument, sendProblem } from './problem.ts'
import type { ProblemDependencies } from './problem.ts'
import { judgeLongHead } from './long-head.ts'
import { answerUnderWay, keepReply, refuseBroken } from './refuse-broken.ts'
import { newRequestId } from './request-id.ts'

/** How long what comes slowly is waited for. */
export interface ConnectionTimes {
  /** A header that takes longer is never read to its end. */
  readonly headersMs: number
  /** How often slow connections are searched for. */
  readonly searchedEveryMs: number
  /** A whole request of a known caller. */
  readonly requestMs: number
  /** What a stranger may take for a body, and how long a connection may stay open behind the answer. */
  readonly strangerMs: number
}

/** A stranger has at most 15 s; a known caller has time for a large upload on a slow line. */
const CONNECTION_TIMES: ConnectionTimes = { headersMs: 10_000, searchedEveryMs: 2_000, requestMs: 300_000, strangerMs: 13_000 }
const MOST_HEADER_BYTES = 32 * 1_024
const MOST_URL_CHARS = 8 * 1_024
/** Of both together: what is a little too long is read to its end, so that it is known which of them is. */
const MOST_HEAD_BYTES = 48 * 1_024

/** How long connections may take, and what is answered where no request can be made of what came. */
export const serverOptions = (problems: ProblemDependencies, shapes: readonly ErrorShape[], times = CONNECTION_TIMES) => ({
  requestTimeout: times.requestMs,
  http: {
    headersTimeout: times.headersMs,
    connectionsCheckingInterval: times.searchedEveryMs,
    maxHeaderSize: MOST_HEAD_BYTES,
    requireHostHeader: false,
    shouldUpgradeCallback: mayTakeConnection,
  },
  clientErrorHandler: refuseInTurns((error, socket) => refuseUnreadable(error, socket, problems)),
  frameworkErrors: (error: Error & { readonly code?: string }, request: FastifyRequest, reply: FastifyReply): void => {
    reply.header('x-request-id', request.id)
    if (hasBody(request.raw)) leaveUnread(request, reply)
    const isTooLong = error.code === 'FST_ERR_MAX_PARAM_LENGTH'
    const details = isTooLong ? URL_TOO_LONG : BAD_PATH
    void (shapeOf(request, shapes)?.send(reply, details) ?? sendProblem(reply, details, problems))
  },
})

/**
 * A WebSocket has a connection for itself: where an earlier request waits for its answer, or its own request goes on, it is asked for in vain and is
 * answered as the plain request that it is else. Node then follows what the connection does no more, so that nobody would learn of its end.
 */
function mayTakeConnection(this: Server, request: IncomingMessage): boolean {
  return this.listenerCount('upgrade') > 0 && answerUnderWay(request.socket) === null && !hasBody(request)
}

/** Where none could be read. */
const NO_PATH = '/'
const PROBLEM = 'application/problem+json; charset=utf-8'
const URL_TOO_LONG: ProblemDetails = {
  code: 'invalid_request',
  status: 414,
  detail: `The URL, or a part of its path, is too long; at most ${MOST_URL_CHARS} characters are read.`,
}
const HEADERS_TOO_LONG: ProblemDetails = {
  code: 'invalid_request',
  status: 431,
  detail: `The headers are longer than the ${MOST_HEADER_BYTES} bytes that are read.`,
}
const UNMET: ProblemDetails = { code: 'invalid_request', status: 417, detail: 'The only expectation that is met is 100-continue.' }
const NO_HOST: ProblemDetails = { code: 'invalid_request', detail: 'The header Host is missing.' }
const BAD_PATH: ProblemDetails = { code: 'invalid_request', detail: 'The path holds a % that begins no percent-encoded UTF-8.' }

/** What Node’s parser reports: the packet it stopped in, and after how many of its bytes. */
interface ParserError extends Error {
  readonly code?: string
  readonly rawPacket?: Buffer
  readonly bytesParsed?: number
}

type Refuse = (error: ParserError, socket: Socket) => void
const REFUSED_IN_A_TURN = 10

/** Of those that were opened together, one search finds all, and thousands of answers would be one stop: they are answered a few in a turn. */
function refuseInTurns(refuse: Refuse): (error: Error, socket: Socket) => void {
  const waiting = new Map<Socket, ParserError>()
  const some = (): void => {
    let left = REFUSED_IN_A_TURN
    for (const [socket, error] of waiting) {
      if (left === 0) return void setImmediate(some)
      left -= 1
      waiting.delete(socket)
      refuse(error, socket)
    }
  }
  return (error: ParserError, socket) => {
    if (error.code !== 'ERR_HTTP_REQUEST_TIMEOUT') return refuse(error, socket)
    if (waiting.size === 0) setImmediate(some)
    waiting.set(socket, error)
  }
}

function refuseUnreadable(error: ParserError, socket: Socket, problems: ProblemDependencies): void {
  if (error.code !== 'HPE_HEADER_OVERFLOW') return refuse(socket, unreadable(error), problems)
  const settle = (isUrl: boolean): void => refuse(socket, isUrl ? URL_TOO_LONG : HEADERS_TOO_LONG, problems)
  judgeLongHead(socket, error.rawPacket ?? Buffer.alloc(0), error.bytesParsed ?? 0, settle)
}

/** Why what came is no request that can be answered. */
function unreadable({ code }: ParserError): ProblemDetails | null {
  switch (code) {
    case 'ECONNRESET':
    case 'EPIPE':
      return null
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { code: 'invalid_request', status: 408, detail: 'The request did not come in time; send it again, whole.' }
    case 'HPE_INVALID_METHOD':
      return { code: 'invalid_request', detail: 'What came begins with no method of HTTP. This address speaks HTTP/1.1, without TLS.' }
    default:
      return { code: 'invalid_request', detail: 'What came is not HTTP/1.1.' }
  }
}

/** Answers on a bare socket, or as the request that broke off, and closes it. */
function refuse(socket: Socket, details: ProblemDetails | null, problems: ProblemDependencies): void {
  const response = answerUnderWay(socket)
  if (details === null || !socket.writable) socket.destroy()
  else if (response) refuseBroken(response, socket, details)
  else answerOnSocket(socket, details, problems, {}, () => socket.destroy())
}

/** Where no request is waited for, or none can be made of what came. Nothing more is sent on this socket. */
export function answerOnSocket(
  socket: Socket,
  details: ProblemDetails,
  problems: ProblemDependencies,
  headers: Readonly<Record<string, string>>,
  sent?: () => void,
): void {
  const problem = problemDocument(details, NO_PATH, problems)
  const body = JSON.stringify(problem)
  const lines = Object.entries({
    ...headers,
    'content-type': PROBLEM,
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': newRequestId(),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? 'Error'}\r\n${lines.join('')}\r\n${body}`, sent)
}

declare module 'fastify' {
  interface FastifyRequest {
    /** It came with a body, whether a route takes it or not. */
    hasBody: boolean
  }
}

const waitsForContinue = new WeakSet<IncomingMessage>()
/** Than an answer to whether a body may come. */
const expectsMore = new WeakSet<IncomingMessage>()

const isStranger = (request: FastifyRequest): boolean => (request.caller as FastifyRequest['caller'] | undefined)?.scope == null

/** A body that nobody reads is not waited for. Must come before everything that answers. */
export function noteBodies(app: FastifyInstance, problems: ProblemDependencies): void {
  app.decorateRequest('hasBody', false)
  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = request
    if (hasBody(raw)) {
      request.hasBody = true
      keepReply(reply)
    }
    if (raw.headers['transfer-encoding'] !== undefined) boundChunks(raw, () => refuse(raw.socket, TOO_MANY_CHUNKS, problems))
    done()
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    if (request.hasBody) leaveUnread(request, reply)
    done(null, payload)
  })
}

function leaveUnread({ raw }: FastifyRequest, reply: FastifyReply): void {
  if (raw.readableEnded) return
  reply.header('connection', 'close')
  closeUnread(raw.socket)
}

/** A stranger’s connection does not stay. Must come before the caller is known: who is unknown is refused there. */
export function installConnectionRules(
  app: FastifyInstance,
  problems: ProblemDependencies,
  isOpenToOthers: () => boolean,
  { strangerMs }: Pick<ConnectionTimes, 'strangerMs'> = CONNECTION_TIMES,
): void {
  takeBytesInTurns(app.server, isOpenToOthers)
  refuseOddConversations(app, problems)
  boundRequestsAhead(app.server)
  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = request
    if (expectsMore.has(raw)) return void sendProblem(reply.header('connection', 'close'), UNMET, problems)
    if (request.url.length > MOST_URL_CHARS) return done(new HttpProblem(URL_TOO_LONG))
    // As where Node’s parser gives up: in no API’s shape.
    if (bytesOf(raw.rawHeaders) > MOST_HEADER_BYTES) return void sendProblem(reply, HEADERS_TOO_LONG, problems)
    if (raw.headers.host === undefined && raw.httpVersion !== '1.0') return done(new HttpProblem(NO_HOST))
    // There is nobody who could read it.
    if (request.is404) for (const name of ['content-length', 'transfer-encoding', 'content-type']) delete raw.headers[name]
    done()
  })

  app.addHook('preParsing', (request, reply, payload, done) => {
    const { raw } = request
    if (waitsForContinue.delete(raw)) reply.raw.writeContinue()
    if (!request.hasBody) return done(null, payload)
    raw.on('close', () => logIfAborted(request, reply))
    if (isStranger(request)) {
      const timer = setTimeout(() => isStranger(request) && raw.socket.destroy(), strangerMs)
      raw.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer))
    }
    done(null, payload)
  })

  app.addHook('onResponse', (request, _reply, done) => {
    const { socket, upgrade } = request.raw as IncomingMessage & { readonly upgrade?: boolean }
    if (upgrade === true) socket.destroySoon()
    // After Node has set its own, longer, limit.
    else if (isStranger(request)) setImmediate(closeSoon, socket, strangerMs)
    done()
  })
}

/** No answer ends such a request, and so no other line does. */
function logIfAborted({ id, raw, method, routeOptions, log }: FastifyRequest, reply: FastifyReply): void {
  if (raw.complete || reply.raw.writableFinished) return
  log.info({ request_id: id, method, route: routeOptions.url ?? 'unknown' }, 'the client went away before its body had come')
}

/** Unless the next request has come by now: then Node has taken its limit away. */
function closeSoon(socket: Socket, ms: number): void {
  if (!socket.destroyed && (socket.timeout ?? 0) > ms) socket.setTimeout(ms)
}

/** Names and values, with what stands between them. */
function bytesOf(rawHeaders: readonly string[]): number {
  let bytes = rawHeaders.length * 2
  for (const text of rawHeaders) bytes += text.length
  return bytes
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

/** What HTTP allows and nobody needs here is answered like every other mistake. */
function refuseOddConversations({ server }: FastifyInstance, problems: ProblemDependencies): void {
  server.on('connect', (_request, socket) => {
    // Node listens for none of them any more.
    socket.on('error', () => socket.destroy())
    refuse(socket as Socket, { code: 'method_not_allowed', detail: 'This server is no proxy: it takes no CONNECT.' }, problems)
  })
  // The caller is known before a body is asked for.
  server.on('checkContinue', (request, response) => {
    waitsForContinue.add(request)
    server.emit('request', request, response)
  })
  // It waits behind the requests before it, like every other: thousands of them come in one packet.
  server.on('checkExpectation', (request, response) => {
    expectsMore.add(request)
    server.emit('request', request, response)
  })
}
