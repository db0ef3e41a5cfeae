import { itsTurn } from '../../reading/turn-share.ts'

/** What is copied in one turn of the event loop: memory that nobody had before takes some 10 µs for each 4 kB of it. */
const MOST_BYTES = 256 * 1_024
/** What it takes to find a part, however small it is, in bytes that could be copied meanwhile. */
const PART_AS_BYTES = 256

/** Parts as one, without a copy where there is but one. To copy 20 MB in one turn would stop everybody for a quarter of a second. */
export async function joinInTurns(parts: readonly Buffer[]): Promise<Buffer> {
  const [first] = parts
  if (parts.length === 1 && first) return first
  const whole = Buffer.allocUnsafeSlow(parts.reduce((bytes, part) => bytes + part.length, 0))
  let at = 0
  let inThisTurn = 0
  for (const part of parts) {
    for (let from = 0; from < part.length; from += MOST_BYTES) {
      const piece = part.subarray(from, from + MOST_BYTES)
      inThisTurn += piece.length + PART_AS_BYTES
      if (inThisTurn > MOST_BYTES + PART_AS_BYTES) {
        await itsTurn(piece.length)
        inThisTurn = piece.length
      }
      at += piece.copy(whole, at)
    }
  }
  return whole
}
