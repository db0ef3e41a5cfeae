import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** Enough to know `GET /v1/models` from `accept: …`. */
const START_BYTES = 16
const NEWLINE = 10

/** How the line began that a connection sends at the moment, as far as earlier packets hold it. */
const lineStarts = new WeakMap<Socket, string>()

const REQUEST_LINE = /^[A-Z]+ /

const startIn = (bytes: Buffer, from: number): string => bytes.toString('latin1', from, from + START_BYTES)

/**
 * Remembers how the last line of each connection began. A URL and a header that are too long come in many packets, and the packet in which
 * the limit is met is in the middle of either.
 */
export function rememberLineStarts(server: Server): void {
  server.on('connection', (socket: Socket) => {
    socket.on('data', (packet: Buffer) => {
      const start = startIn(packet, packet.lastIndexOf(NEWLINE) + 1)
      // A packet without a line’s end goes on with the line before it, or begins a request behind a body.
      if (packet.includes(NEWLINE) || REQUEST_LINE.test(start) || !lineStarts.has(socket)) lineStarts.set(socket, start)
    })
  })
}

/** Whether the line that is too long is the one with the URL. `packet` is the one in which the limit was met, after `bytesParsed` of its bytes. */
export function isUrlTooLong(socket: Socket, packet: Buffer, bytesParsed: number): boolean {
  const start = startIn(packet, packet.subarray(0, bytesParsed).lastIndexOf(NEWLINE) + 1)
  if (REQUEST_LINE.test(start)) return true
  return !packet.subarray(0, bytesParsed).includes(NEWLINE) && REQUEST_LINE.test(lineStarts.get(socket) ?? '')
}
