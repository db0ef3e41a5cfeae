import { createHash } from 'node:crypto'
import type { FormPart } from '#contract'
import { heldIn } from '../reading/held-bytes.ts'
import { itsTurn } from '../reading/turn-share.ts'
import { piecesIn, type StreamedBody } from './json-body.ts'

export interface FormBody extends StreamedBody {
  readonly contentType: string
}

/** Multiples of 4, so that each piece is whole bytes: what is decoded in one turn of the event loop. */
const PIECE_CHARS = 256 * 1_024

/** Quoted as browsers do (WHATWG, multipart/form-data). */
const quoted = (text: string): string => `"${text.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')}"`

/** The parts as multipart/form-data; files are decoded piece by piece on their way, so that large ones stop nobody. */
export function formBody(parts: readonly FormPart[]): FormBody {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part.name).update('value' in part ? part.value : part.base64)
  const boundary = `form-${hash.digest('hex')}`
  const heads = parts.map((part) => Buffer.from(headOf(part, boundary)))
  const end = Buffer.from(`--${boundary}--\r\n`)
  const bytes = parts.reduce((sum, part, index) => sum + (heads[index]?.length ?? 0) + lengthOf(part) + 2, end.length)
  return { contentType: `multipart/form-data; boundary=${boundary}`, bytes, stream: piecesOf(parts, heads, end) }
}

function headOf(part: FormPart, boundary: string): string {
  const name = `--${boundary}\r\ncontent-disposition: form-data; name=${quoted(part.name)}`
  return 'value' in part ? `${name}\r\n\r\n` : `${name}; filename=${quoted(part.filename)}\r\ncontent-type: ${part.mediaType}\r\n\r\n`
}

const lengthOf = (part: FormPart): number =>
  'value' in part ? Buffer.byteLength(part.value) : (heldIn(part.base64)?.bytes ?? Buffer.byteLength(part.base64, 'base64'))

async function* piecesOf(parts: readonly FormPart[], heads: readonly Buffer[], end: Buffer): AsyncGenerator<Buffer> {
  for (const [index, part] of parts.entries()) {
    yield heads[index] ?? Buffer.alloc(0)
    if ('value' in part) yield Buffer.from(part.value)
    else yield* fileOf(part.base64)
    yield Buffer.from('\r\n')
  }
  yield end
}

async function* fileOf(base64: string): AsyncGenerator<Buffer> {
  const held = heldIn(base64)
  if (held !== null) return yield* piecesIn(held.chunks)
  for (let from = 0; from < base64.length; from += PIECE_CHARS) {
    const piece = base64.slice(from, from + PIECE_CHARS)
    await itsTurn(piece.length)
    yield Buffer.from(piece, 'base64')
  }
}
