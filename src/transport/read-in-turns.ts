import type { Socket } from 'node:net'
import { parseTurns, pieceOfLines } from '../reading/parse-turns.ts'

const MOST_PIECE_BYTES = 32 * 1_024
const turns = parseTurns(4)

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
    turns.count(performance.now() - givenAt)
    givenAt = null
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
    if (there > 0 && turns.isSpent()) {
      turns.wait(whose, readOn)
      return null
    }
    const bytesThere = there > MOST_PIECE_BYTES ? readAll(MOST_PIECE_BYTES) : readAll()
    if (bytesThere === null) return null
    const { bytes: end } = pieceOfLines(bytesThere)
    if (end < bytesThere.length) socket.unshift(bytesThere.subarray(end))
    countSoon()
    return bytesThere.subarray(0, end)
  }
}
