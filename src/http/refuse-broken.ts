import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'
import { closeUnread, readNoMore } from './close-unread.ts'
import { HttpProblem } from './http-problem.ts'
import type { ProblemDetails } from './http-problem.ts'

/** The answer of a request with a body, for as long as Node has it: a weak map costs each request 2 µs. */
const REPLY = Symbol('reply')
type Response = ServerResponse & { [REPLY]?: FastifyReply }

/** The answer that a connection is given to at this moment: Node's own has it, and its types do not. */
export const answerUnderWay = (socket: Socket): Response | null =>
  (socket as Socket & { readonly _httpMessage?: Response | null })._httpMessage ?? null

export function keepReply(reply: FastifyReply): void {
  const response: Response = reply.raw
  response[REPLY] = reply
}

const isBroken = new WeakSet<ServerResponse>()
/** How long the answer to a request that broke off may take. */
const BROKEN_MS = 2_000

/** A body that goes on as no HTTP: its request is answered, if it is not yet. A whole request is answered whatever comes behind it. */
export function refuseBroken(response: Response, socket: Socket, details: ProblemDetails): void {
  // What comes behind it is no HTTP either.
  if (isBroken.has(response)) return
  isBroken.add(response)
  if (response.req.complete) return closeBehind(response, socket, details)
  if (response.headersSent) return socket.destroySoon()
  const timer = setTimeout(() => socket.destroy(), BROKEN_MS)
  socket.once('close', () => clearTimeout(timer))
  // Until then the rules for a request that came in the same packet have not begun.
  setImmediate(() => {
    const reply = response[REPLY]
    if (response.headersSent) return
    if (reply === undefined || reply.sent) return void socket.destroy()
    reply.header('connection', 'close')
    const problem = new HttpProblem(details)
    // Whoever reads the body from the request itself answers; else nobody would learn of it.
    if (response.req.listenerCount('error') > 0) response.req.emit('error', problem)
    else void reply.send(problem)
  })
}

/** What it asked for may be bought by now, and only the answer says so. Nothing more is read meanwhile. */
function closeBehind(response: Response, socket: Socket, details: ProblemDetails): void {
  readNoMore(socket)
  closeUnread(socket)
  response.once('close', () => {
    if (socket.destroyed || !socket.writable) return
    const next = answerUnderWay(socket)
    if (next === null) socket.destroySoon()
    else refuseBroken(next, socket, details)
  })
}
