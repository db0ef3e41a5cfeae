import { BYTES_PER_TURN, itsTurn } from './turn-share.ts'

/** What came as a whole, in pieces that are handed over in a turn of the event loop each, so that others go on between them. */
export async function* inTurns(bytes: Buffer, whose?: string): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += BYTES_PER_TURN) {
    const piece = bytes.subarray(at, at + BYTES_PER_TURN)
    if (at > 0) await itsTurn(piece.length, whose)
    yield piece
  }
}
