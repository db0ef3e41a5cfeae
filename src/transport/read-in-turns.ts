import type { Socket } from 'node:net'
import { CallersInTurn } from '../reading/callers-in-turn.ts'

/** How long the bytes of all servers may be parsed in one turn of the event loop, before the others of them wait for the next one. */
const MS_PER_TURN = 4
const MOST_PIECE_BYTES = 32 * 1_024
/** Interim responses, chunks and trailers are made of lines, and undici takes up to 30 µs for one; an image of 32 KiB has half as many. */
const MOST_PIECE_LINES = 256
const LINE_END = 10
/**
 * To begin to count anew costs a round of the event loop. Less than this is carried over to the next turns, which only makes the others wait earlier.
 */
const LEAST_MS = MS_PER_TURN / 2

let msSpent = 0
let isNextTurnAwaited = false
const isSpent = (): boolean => msSpent >= MS_PER_TURN
/** What goes on in the next turn, of each server. */
const waiting = new CallersInTurn<() => void>()

/**
 * A server decides how much work its bytes are: 64 KiB can be thousands of interim responses, of chunks or of trailers, and undici parses all that
 * a socket has at once. It is given pieces of few lines, and where those of all sockets together took too long, none before the next turn.
 * @param whose turn it is then: the server's
 */
export function readInTurns(socket: Socket, whose: string): void {
  const readAll = socket.read.bind(socket) as (bytes?: number) => Buffer | null
  /** When the last piece was given; null once it is counted. */
  let givenAt: number | null = null
  let willCount = false

  const countPiece = (): void => {
    if (givenAt === null) return
    msSpent += performance.now() - givenAt
    givenAt = null
    if (msSpent >= LEAST_MS) awaitNextTurn()
  }

  /** It is parsed at once. A reader that is full asks for the next piece much later, and that wait counts for nothing. */
  const countSoon = (): void => {
    givenAt = performance.now()
    if (willCount) return
    willCount = true
    queueMicrotask(() => {
      willCount = false
      countPiece()
    })
  }

  const readOn = (): void => void (socket.destroyed || socket.emit('readable'))

  socket.read = (bytes?: number): Buffer | null => {
    if (bytes !== undefined) return readAll(bytes)
    countPiece()
    const { readableLength: there, destroyed } = socket
    if (destroyed) return null
    if (there > 0 && isSpent()) {
      waiting.add(whose, readOn)
      awaitNextTurn()
      return null
    }
    const bytesThere = there > MOST_PIECE_BYTES ? readAll(MOST_PIECE_BYTES) : readAll()
    if (bytesThere === null) return null
    const end = endOfLines(bytesThere)
    if (end < bytesThere.length) socket.unshift(bytesThere.subarray(end))
    countSoon()
    return bytesThere.subarray(0, end)
  }
}

function endOfLines(bytes: Buffer): number {
  let end = -1
  for (let lines = 0; lines < MOST_PIECE_LINES; lines += 1) {
    end = bytes.indexOf(LINE_END, end + 1)
    if (end === -1) return bytes.length
  }
  return end + 1
}

function awaitNextTurn(): void {
  if (isNextTurnAwaited) return
  isNextTurnAwaited = true
  setImmediate(beginTurn)
}

/** Those that wait go on first, one of each server after the other, for as long as a turn may take. */
function beginTurn(): void {
  isNextTurnAwaited = false
  msSpent = 0
  while (!waiting.isEmpty && !isSpent()) waiting.next()?.()
  if (!waiting.isEmpty) awaitNextTurn()
}
