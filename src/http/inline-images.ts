import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Assets, InPieces } from '../core/ports.ts'
import type { ImageRecord } from '../core/records.ts'
import { itsTurn } from '../reading/turn-share.ts'

/** What stands for an image's base64 in an answer: all of it, or a mark that is replaced as the answer is sent. Null: its bytes are not here. */
export type InBase64 = (image: Pick<ImageRecord, 'sha256' | 'format' | 'bytes'>) => Promise<string | null>

/** The base64 itself, for an answer that is no stream. */
export const base64From =
  (assets: Pick<Assets, 'read'>): InBase64 =>
  async ({ sha256, format, bytes }) =>
    sha256 === null || format === null ? null : ((await assets.read(sha256, format, bytes ?? undefined))?.toString('base64') ?? null)

/** Read and encoded in one turn of the event loop; whole groups of three bytes. */
const PIECE_BYTES = 192 * 1_024
/** Shorter ones are quickly encoded. */
const MARKED_FROM_BYTES = 64 * 1_024

/** The bytes of a stored image, read while they are sent and opened anew for each try; null where they are not here. */
export async function imageInPieces(
  assets: Pick<Assets, 'open'>,
  { sha256, format, bytes }: Pick<ImageRecord, 'sha256' | 'format' | 'bytes'>,
): Promise<InPieces | null> {
  if (sha256 === null || format === null || bytes === null) return null
  const first = await assets.open(sha256, format, { start: 0, end: 0 }, bytes)
  first?.destroy()
  return first && { bytes, pieces: () => piecesRead(() => assets.open(sha256, format, undefined, bytes), bytes) }
}

/** @throws Error where the image has gone, or is not as long as it was: the answer breaks off, and is seen to */
async function* piecesRead(open: () => Promise<Readable | null>, bytes: number): AsyncGenerator<Buffer> {
  const source = await open()
  if (source === null) throw new Error('an image went while it was sent')
  let read = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    read += chunk.length
    yield chunk
  }
  if (read !== bytes) throw new Error('an image is not as long as it was')
}

/** Images in base64 in one answer, message or event of JSON: none of them stands in memory, and none is encoded in one piece. */
export interface InlineImages {
  readonly inBase64: InBase64
  /** The JSON in which their marks stand: as it is, or as it is made while it is sent. */
  write(body: object): string | InPieces
  /** Sends JSON in which their marks stand, its length known. */
  send(reply: FastifyReply, body: object, status?: number): FastifyReply
}

export function createInlineImages(assets: Pick<Assets, 'open' | 'read'>): InlineImages {
  const marked = new Map<string, InPieces>()

  function write(body: object): string | InPieces {
    const parts = partsOf(JSON.stringify(body), marked)
    const [text] = parts
    if (parts.length === 1 && typeof text === 'string') return text
    const bytes = parts.reduce((sum, part) => sum + (typeof part === 'string' ? Buffer.byteLength(part) : base64Length(part.bytes)), 0)
    return { bytes, pieces: () => piecesOf(parts) }
  }

  return {
    async inBase64(image) {
      if (image.bytes === null || image.bytes < MARKED_FROM_BYTES) return base64From(assets)(image)
      const inPieces = await imageInPieces(assets, image)
      if (inPieces === null) return null
      const mark = `image-in-base64-${randomUUID()}`
      marked.set(mark, inPieces)
      return mark
    },
    write,
    send(reply, body, status = 200) {
      const written = write(body)
      reply.code(status).header('content-type', 'application/json; charset=utf-8')
      if (typeof written === 'string') return reply.send(written)
      return reply.header('content-length', written.bytes).send(Readable.from(written.pieces(), { objectMode: false }))
    },
  }
}

const base64Length = (bytes: number): number => Math.ceil(bytes / 3) * 4

/** The text between the marks, and what they stand for, in turn. */
function partsOf(text: string, marked: ReadonlyMap<string, InPieces>): readonly (string | InPieces)[] {
  if (marked.size === 0) return [text]
  return text.split(/(image-in-base64-[0-9a-f-]{36})/).map((part) => marked.get(part) ?? part)
}

async function* piecesOf(parts: readonly (string | InPieces)[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    if (typeof part === 'string') yield Buffer.from(part)
    else yield* encoded(part)
  }
}

async function* encoded({ pieces }: InPieces): AsyncGenerator<Buffer> {
  let left = Buffer.alloc(0)
  for await (const chunk of pieces()) {
    left = left.length === 0 ? Buffer.from(chunk) : Buffer.concat([left, chunk])
    if (left.length < PIECE_BYTES) continue
    await itsTurn(left.length)
    const end = left.length - (left.length % 3)
    yield Buffer.from(left.toString('base64', 0, end), 'latin1')
    left = Buffer.from(left.subarray(end))
  }
  if (left.length > 0) yield Buffer.from(left.toString('base64'), 'latin1')
}
