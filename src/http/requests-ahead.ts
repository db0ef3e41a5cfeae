import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isTimeForLittle, itsTurn, MS_AT_ONCE } from '../reading/turn-share.ts'
import { closeUnread, readNoMore } from './close-unread.ts'

/** So many requests of a connection may wait for the answer before theirs. Few clients send any before they have read the one before. */
const MOST_WAITING = 32

/**
 * Bounds the requests that a connection sends without waiting for answers. Node hands over all that came in one packet at once, thousands of
 * them, and nobody else has a turn until each was begun. Each is begun once the one before is answered, and until then nothing more of the
 * connection is read. What is too much is not begun, and the connection ends behind the last answer: a client that sends ahead has to be ready
 * for that (RFC 9112, 9.3.2).
 */
export function boundRequestsAhead(server: Server): void {
  const listeners = server.listeners('request') as RequestListener[]
  server.removeAllListeners('request')
  const begin: RequestListener = (request, response) => {
    for (const answer of listeners) answer.call(server, request, response)
  }
  server.on('request', (request, response) => {
    const { socket } = request
    if (isFull.has(socket)) return
    // Node gives the connection to one answer after the other. The one before may end it: what is begun behind that would be answered to nobody.
    if (isOver(socket)) return stopParsing(socket)
    if (response.socket !== null) begin(request, response)
    else if (mayWait(request, response)) response.once('socket', () => void inItsTurn(request, response, begin))
  })
}

/** Nothing more is answered on it. */
const isOver = ({ destroyed, writableEnded }: Socket): boolean => destroyed || writableEnded

/** One packet on each of a thousand connections brings as many requests that begin at once, behind the first of each. */
async function inItsTurn<Request extends IncomingMessage, Response extends ServerResponse>(
  request: Request,
  response: Response,
  begin: (request: Request, response: Response) => void,
): Promise<void> {
  if (!isTimeForLittle(MS_AT_ONCE)) await itsTurn(0, request.socket.remoteAddress ?? '')
  const { socket } = request
  if (isOver(socket)) return
  begin(request, response)
  readOn(socket)
}

/** How many of a connection wait to be begun. */
const unbegun = new WeakMap<Socket, number>()

/** Until none waits, nothing more of its connection is read: of the body of each Node keeps 64 KiB, for which there is no bound before it is begun. */
function readLater(socket: Socket): void {
  const before = unbegun.get(socket) ?? 0
  unbegun.set(socket, before + 1)
  if (before === 0) socket.on('resume', pauseAgain).pause()
}

function readOn(socket: Socket): void {
  const left = (unbegun.get(socket) ?? 1) - 1
  unbegun.set(socket, left)
  if (left === 0) socket.off('resume', pauseAgain).resume()
}

function pauseAgain(this: Socket): void {
  this.pause()
}

/** Node's own connections have it, and its types do not. */
interface WithParser extends Socket {
  readonly parser?: { onIncoming: unknown } | null
}

/** As after an upgrade, what follows is no HTTP to Node's parser, which else makes objects of all that its last packet has: 64 KiB hold 2,000 requests. */
const NO_MORE = 2

/** What is said here is of this connection: Node sets it anew where it uses the parser again. */
function stopParsing({ parser }: WithParser): void {
  if (parser) parser.onIncoming = () => NO_MORE
}

/** Answers of a connection that wait. */
const waiting = new WeakMap<Socket, Set<ServerResponse>>()
const isFull = new WeakSet<Socket>()

/** Whether a request is begun that comes behind others of its connection. */
function mayWait({ socket }: IncomingMessage, response: ServerResponse): boolean {
  const all = waiting.get(socket) ?? waitingOf(socket)
  if (all.size === MOST_WAITING) {
    isFull.add(socket)
    stopParsing(socket)
    // The end of a request that was read before would resume it.
    readNoMore(socket)
    return false
  }
  all.add(response)
  readLater(socket)
  response.once('close', () => {
    all.delete(response)
    if (all.size > 0 || !isFull.has(socket)) return
    closeUnread(socket)
    socket.destroySoon()
  })
  return true
}

/** Their connection's end is theirs, which Node does not see to where something else than a request came behind them. */
function waitingOf(socket: Socket): Set<ServerResponse> {
  const all = new Set<ServerResponse>()
  waiting.set(socket, all)
  socket.once('close', () => all.forEach((response) => response.destroy()))
  return all
}
