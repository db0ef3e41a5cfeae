import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { parseTurns, pieceOfLines, type Piece } from '../reading/parse-turns.ts'

const turns = parseTurns(2)

/** The next piece of what came; asked once for each. */
export type NextPiece = (bytes: Buffer) => Piece

interface Held {
  next: NextPiece
  /** Puts what was parsed as something else before all that has come. */
  readonly putBack: (bytes: Buffer) => void
}

const heldOf = new WeakMap<Socket, Held>()

/**
 * A caller decides how much work its bytes are: 64 KiB can be 10,000 chunks of a body or frames of a WebSocket, which take thousands of times what
 * their bytes do, and a thousand connections may bring them in one moment. What came is parsed in pieces, and where those of all connections
 * together took too long, the others in later turns; a usual request waits for none of them. Nothing more is read of a connection meanwhile, and
 * nothing is parsed while it is paused.
 * @param isOpenToOthers whether anybody else than this machine's own may connect: else Node's parser reads HTTP from the system by itself, as it
 *   usually does, for a few µs less of each request
 */
export function takeBytesInTurns(server: Server, isOpenToOthers: () => boolean): void {
  server.prependListener('connection', (socket: WithHandle) => {
    hold(socket)
    if (isOpenToOthers() && socket._handle) socket._handle._consumed = true
  })
}

/** Node says so of a connection that its parser reads by itself; its types do not know it. */
interface WithHandle extends Socket {
  readonly _handle?: { _consumed?: boolean } | null
}

/**
 * From now on a connection has pieces of another kind.
 * @param first what came behind the request that asked for them
 */
export function changePieces(socket: Socket, next: NextPiece, first: Buffer): void {
  const held = heldOf.get(socket)
  if (held === undefined) throw new Error('not a connection of the server')
  held.next = next
  held.putBack(first)
}

function hold(socket: Socket): void {
  const push = socket.push.bind(socket)
  const readMore = socket._read.bind(socket)
  const whose = socket.remoteAddress ?? ''
  let left: Buffer | null = null
  let piece: Piece | null = null
  let hasEnded = false
  /** How many bytes are asked for, once what came is parsed; null where none are. */
  let wanted: number | null = null
  let isWaiting = false

  const state: Held = {
    next: pieceOfLines,
    putBack(bytes) {
      piece = null
      if (bytes.length > 0) left = left === null ? bytes : Buffer.concat([bytes, left])
    },
  }
  heldOf.set(socket, state)

  /** Returns whether more may be read. */
  const give = (): boolean => {
    let mayReadOn = true
    while (left !== null) {
      if (socket.readableFlowing !== true || isWaiting) return false
      const begunAt = performance.now()
      piece ??= state.next(left)
      if (!piece.isLittle && turns.isSpent()) {
        isWaiting = true
        turns.wait(whose, goOn)
        return false
      }
      const { bytes, isLittle } = piece
      const given = left.subarray(0, bytes)
      left = bytes < left.length ? left.subarray(bytes) : null
      piece = null
      mayReadOn = push(given)
      if (!isLittle) turns.count(performance.now() - begunAt)
      if (socket.destroyed) left = null
    }
    return hasEnded ? push(null) : mayReadOn
  }
  const goOn = (): void => {
    isWaiting = false
    if (left !== null) give()
    if (left !== null || wanted === null || socket.destroyed) return
    const bytes = wanted
    wanted = null
    readMore(bytes)
  }
  socket.on('resume', goOn)
  // A stream asks for more behind each piece, whatever is left.
  socket._read = (bytes) => {
    if (left === null) readMore(bytes)
    else wanted = bytes
  }
  socket.push = (bytes: Buffer | null): boolean => {
    if (bytes === null) {
      hasEnded = true
      return left === null ? push(null) : false
    }
    left = left === null ? bytes : Buffer.concat([left, bytes])
    return give()
  }
}
