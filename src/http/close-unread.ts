import type { Socket } from 'node:net'

/** Long enough for the answer to cross the world and be read. */
const READ_MS = 500

/** Node goes on reading what nobody wants, to throw it away, which costs more than to read it for somebody who is known. */
export const readNoMore = (socket: Socket): void => void socket.on('resume', () => socket.pause()).pause()

/**
 * Closes a connection behind its answer while the client still sends: what it sends is read no more, and it is given time to read the answer.
 * A connection that is closed with bytes in it that nobody has read is reset, and its client learns that it was, and not why.
 */
export function closeUnread(socket: Socket): void {
  // What Node calls behind an answer with `Connection: close`.
  socket.destroySoon = () => {
    socket.end()
    readNoMore(socket)
    const timer = setTimeout(() => socket.destroy(), READ_MS)
    socket.once('close', () => clearTimeout(timer))
  }
}
