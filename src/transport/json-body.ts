import type { Json } from '#contract'
import { type HeldBytes, partsOf } from '../reading/held-bytes.ts'
import { itsTurn } from '../reading/turn-share.ts'
import { serialize } from './json.ts'

/** A body in pieces, so that a large one stops nobody. */
export interface StreamedBody {
  readonly bytes: number
  readonly stream: AsyncIterable<Buffer>
}

/** A call's body as JSON text; with the base64 of what stand-ins in it stand for, it is streamed. */
export function jsonBody(body: Json): string | StreamedBody {
  const text = serialize(body)
  const parts = partsOf(text)
  if (parts.length === 1) return text
  return { bytes: parts.reduce((sum, part) => sum + lengthOf(part), 0), stream: piecesOf(parts) }
}

const lengthOf = (part: string | HeldBytes): number => (typeof part === 'string' ? Buffer.byteLength(part) : Math.ceil(part.bytes / 3) * 4)

async function* piecesOf(parts: readonly (string | HeldBytes)[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    if (typeof part === 'string') yield Buffer.from(part)
    else yield* inBase64(part)
  }
}

/** What is encoded in one turn of the event loop. */
const PIECE_BYTES = 256 * 1_024

async function* inBase64({ chunks }: HeldBytes): AsyncGenerator<Buffer> {
  let left: Buffer = Buffer.alloc(0)
  for (const bytes of piecesIn(chunks)) {
    await itsTurn(bytes.length)
    const piece = Buffer.concat([left, bytes])
    const end = piece.length - (piece.length % 3)
    yield Buffer.from(piece.toString('base64', 0, end), 'latin1')
    left = piece.subarray(end)
  }
  if (left.length > 0) yield Buffer.from(left.toString('base64'), 'latin1')
}

/** The bytes of a held image, so many at a time. */
export function* piecesIn(chunks: readonly Buffer[]): Generator<Buffer> {
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length; from += PIECE_BYTES) yield chunk.subarray(from, from + PIECE_BYTES)
  }
}
