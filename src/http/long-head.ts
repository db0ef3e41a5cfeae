import { METHODS } from 'node:http'
import type { Socket } from 'node:net'

const NEWLINE = 10
const SPACE = 32
/** What is read behind the limit to learn which line broke it, and how long its end is waited for. */
const MOST_BYTES_BEHIND = 16 * 1_024
const WAITED_MS = 1_000
/** Enough to know `GET /v1/models` from `accept: …`, and the end of a request line from that of a header. */
const JUDGED_BYTES = 16

const methods: ReadonlySet<string> = new Set(METHODS)
const beginsRequest = (line: Buffer): boolean => methods.has(/^([A-Z-]+) /.exec(line.toString('latin1', 0, JUDGED_BYTES))?.[1] ?? '')
const ENDS_REQUEST_LINE = / HTTP\/\d\.\d\r?$/

/** Packets of a connection whose head is too long, as they come. */
const waiting = new WeakMap<Socket, (packet: Buffer) => void>()

/**
 * Whether it is the URL that makes a head too long. The packet in which the limit was met may be in the middle of a line; then the end of that
 * line says it, and where that does not come, whether there is a space in it, since no URL has one.
 * @param packet the one in which the limit was met, after `bytesParsed` of its bytes; later ones of the same connection may follow
 */
export function judgeLongHead(socket: Socket, packet: Buffer, bytesParsed: number, settle: (isUrl: boolean) => void): void {
  const more = waiting.get(socket)
  if (more !== undefined) return more(packet)
  const parsed = packet.subarray(0, bytesParsed)
  const line = parsed.subarray(parsed.lastIndexOf(NEWLINE) + 1)
  if (line.length < parsed.length || beginsRequest(line)) return settle(beginsRequest(line))
  const read = readOn(socket, line.includes(SPACE), settle)
  waiting.set(socket, read)
  read(packet.subarray(bytesParsed))
}

function readOn(socket: Socket, hadSpace: boolean, settle: (isUrl: boolean) => void): (packet: Buffer) => void {
  let [bytes, hasSpace, end, isSettled] = [0, hadSpace, '', false]
  const decide = (isUrl: boolean): void => {
    if (isSettled) return
    isSettled = true
    clearTimeout(timer)
    settle(isUrl)
  }
  const timer = setTimeout(() => decide(!hasSpace), WAITED_MS)
  socket.once('close', () => clearTimeout(timer))
  return (packet) => {
    const newline = packet.indexOf(NEWLINE)
    const line = newline < 0 ? packet : packet.subarray(0, newline)
    bytes += line.length
    end = (end + line.toString('latin1', Math.max(0, line.length - JUDGED_BYTES))).slice(-JUDGED_BYTES)
    if (newline >= 0) return decide(ENDS_REQUEST_LINE.test(end))
    hasSpace ||= line.includes(SPACE)
    if (bytes > MOST_BYTES_BEHIND) decide(!hasSpace)
  }
}
