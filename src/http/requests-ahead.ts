import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { closeUnread } from './close-unread.ts'

/** So many requests of a connection may wait for the answer before theirs. Few clients send any before they have read the one before. */
const MOST_WAITING = 32

/**
 * Bounds the requests that a connection sends without waiting for answers. Node hands over all that came in one packet at once, thousands of
 * them, and nobody else has a turn until each was begun. What is too much is not begun, and the connection ends behind the last answer: a
 * client that sends ahead has to be ready for that (RFC 9112, 9.3.2).
 */
export function boundRequestsAhead(server: Server): void {
  const listeners = server.listeners('request') as RequestListener[]
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    if (isBegun(request, response)) for (const answer of listeners) answer.call(server, request, response)
  })
}

/** Requests of a connection that wait. */
const waiting = new WeakMap<Socket, number>()
const isFull = new WeakSet<Socket>()

function isBegun({ socket }: IncomingMessage, response: ServerResponse): boolean {
  if (isFull.has(socket)) return false
  // Node gives the connection to one answer after the other.
  if (response.socket !== null) return true
  const before = waiting.get(socket) ?? 0
  if (before === MOST_WAITING) {
    isFull.add(socket)
    // The end of a request that was read before would resume it.
    socket.on('resume', () => socket.pause()).pause()
    return false
  }
  waiting.set(socket, before + 1)
  response.once('close', () => {
    const left = (waiting.get(socket) ?? 1) - 1
    waiting.set(socket, left)
    if (left > 0 || !isFull.has(socket)) return
    closeUnread(socket)
    socket.destroySoon()
  })
  return true
}
