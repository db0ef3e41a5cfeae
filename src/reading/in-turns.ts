import { setImmediate as nextTurn } from 'node:timers/promises'
import { BYTES_PER_TURN } from './turn-share.ts'

/** What came as a whole, in pieces that are handed over in a turn of the event loop each, so that others go on between them. */
export async function* inTurns(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += BYTES_PER_TURN) {
    if (at > 0) await nextTurn()
    yield bytes.subarray(at, at + BYTES_PER_TURN)
  }
}
