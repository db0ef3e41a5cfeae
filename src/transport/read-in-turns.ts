import type { Socket } from 'node:net'
import { itsTurn } from '../reading/turn-share.ts'

/** How long the bytes of all servers may be parsed in one turn of the event loop, before the others of them wait for turns of their own. */
const MS_PER_TURN = 4
/** How long a piece may take. After one that took longer, the next is as long as it should have been; after one that did not, twice as long. */
const MS_PER_PIECE = 1
const FIRST_PIECE_BYTES = 16 * 1_024
const LEAST_PIECE_BYTES = 1_024
/** What undici does not read further, it parses to the end of the piece, with an error for each line: 15 µs for six bytes. */
const MOST_PIECE_BYTES = 32 * 1_024

let msSpent = 0
let isTurnCounted = false

/**
 * A server decides how much work its bytes are: 64 KiB can be thousands of interim responses, of chunks or of trailers, and undici parses all that
 * a socket has at once. It is given pieces that take about a millisecond, and where all sockets together took too long, none before its turn.
 * @param whose turn it is then: the server's
 */
export function readInTurns(socket: Socket, whose: string): void {
  const readAll = socket.read.bind(socket) as (bytes?: number) => Buffer | null
  let pieceBytes = FIRST_PIECE_BYTES
  let isWaiting = false
  /** The last piece; null once it is counted. */
  let given: { readonly bytes: number; readonly at: number } | null = null

  const countPiece = (): void => {
    if (given === null) return
    const tookMs = performance.now() - given.at
    msSpent += tookMs
    if (tookMs > MS_PER_PIECE) pieceBytes = Math.max(LEAST_PIECE_BYTES, Math.floor((given.bytes * MS_PER_PIECE) / tookMs))
    else if (given.bytes === pieceBytes) pieceBytes = Math.min(MOST_PIECE_BYTES, pieceBytes * 2)
    given = null
    countTurn()
  }

  const waitForTurn = async (): Promise<void> => {
    isWaiting = true
    await itsTurn(0, whose)
    isWaiting = false
    if (!socket.destroyed) socket.emit('readable')
  }

  socket.read = (bytes?: number): Buffer | null => {
    if (bytes !== undefined) return readAll(bytes)
    countPiece()
    const { readableLength: there, destroyed } = socket
    if (destroyed) return null
    if (there > 0 && msSpent >= MS_PER_TURN) {
      if (!isWaiting) void waitForTurn()
      return null
    }
    const piece = there > pieceBytes ? readAll(pieceBytes) : readAll()
    if (piece !== null) given = { bytes: piece.length, at: performance.now() }
    return piece
  }
}

function countTurn(): void {
  if (isTurnCounted) return
  isTurnCounted = true
  setImmediate(() => {
    isTurnCounted = false
    msSpent = 0
  })
}
