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

interface Marked {
  readonly bytes: number
  readonly open: () => Promise<Readable | null>
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
  const marked = new Map<string, Marked>()

  const isHere = async (sha256: string, format: NonNullable<ImageRecord['format']>, bytes: number): Promise<boolean> => {
    const first = await assets.open(sha256, format, { start: 0, end: 0 }, bytes)
    first?.destroy()
    return first !== null
  }

  function write(body: object): string | InPieces {
    const parts = partsOf(JSON.stringify(body), marked)
    const [text] = parts
    if (parts.length === 1 && typeof text === 'string') return text
    const bytes = parts.reduce((sum, part) => sum + (typeof part === 'string' ? Buffer.byteLength(part) : base64Length(part.bytes)), 0)
    return { bytes, pieces: () => piecesOf(parts) }
  }

  return {
    async inBase64(image) {
      const { sha256, format, bytes } = image
      if (sha256 === null || format === null || bytes === null || bytes < MARKED_FROM_BYTES) return base64From(assets)(image)
      if (!(await isHere(sha256, format, bytes))) return null
      const mark = `image-in-base64-${randomUUID()}`
      marked.set(mark, { bytes, open: () => assets.open(sha256, format, undefined, bytes) })
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
function partsOf(text: string, marked: ReadonlyMap<string, Marked>): readonly (string | Marked)[] {
  if (marked.size === 0) return [text]
  return text.split(/(image-in-base64-[0-9a-f-]{36})/).map((part) => marked.get(part) ?? part)
}

async function* piecesOf(parts: readonly (string | Marked)[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    if (typeof part === 'string') yield Buffer.from(part)
    else yield* encoded(part)
  }
}

/** @throws Error where the image has gone, or is not as long as it was: the answer breaks off, and is seen to */
async function* encoded({ bytes, open }: Marked): AsyncGenerator<Buffer> {
  const source = await open()
  if (source === null) throw new Error('an image went while it was sent')
  let left = Buffer.alloc(0)
  let read = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    read += chunk.length
    left = left.length === 0 ? Buffer.from(chunk) : Buffer.concat([left, chunk])
    if (left.length < PIECE_BYTES) continue
    await itsTurn(left.length)
    const end = left.length - (left.length % 3)
    yield Buffer.from(left.toString('base64', 0, end), 'latin1')
    left = Buffer.from(left.subarray(end))
  }
  if (read !== bytes) throw new Error('an image is not as long as it was')
  if (left.length > 0) yield Buffer.from(left.toString('base64'), 'latin1')
}
