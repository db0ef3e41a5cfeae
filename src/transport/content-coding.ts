import { pipeline, Readable, Transform, type TransformCallback } from 'node:stream'
import zlib from 'node:zlib'
import { formatOf, SIGNATURE_BYTES } from '#contract'
import { DownloadError } from './guarded-request.ts'
import { reasonOf } from './reason.ts'

type Decoder = 'gunzip' | 'inflate' | 'inflateRaw' | 'brotli' | 'zstd'

/** What a decoder hands out at once: each costs a turn of the event loop, and is not noticed in it. */
const PIECES = { chunkSize: 64 * 1_024 } as const

/**
 * What a frame can make its decoder hold: 8 MiB, the most that HTTP allows (RFC 9659). Node's own bound is 128 MiB, of which a few hundred bytes
 * fill as much as a body may unfold to.
 */
const ZSTD = { ...PIECES, params: { [zlib.constants.ZSTD_d_windowLogMax]: 23 } } as const

const streams: Readonly<Record<Decoder, () => Transform>> = {
  gunzip: () => zlib.createGunzip(PIECES),
  inflate: () => zlib.createInflate(PIECES),
  inflateRaw: () => zlib.createInflateRaw(PIECES),
  brotli: () => zlib.createBrotliDecompress(PIECES),
  zstd: () => zlib.createZstdDecompress(ZSTD),
}

/** Nobody codes a body oftener than this; a header that says so is not followed to its end. */
const MAX_CODINGS = 4

/** A `content-encoding`'s codings, the one that was applied last first. */
const codingsOf = (header: string): readonly string[] =>
  header
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .toReversed()
    .slice(0, MAX_CODINGS)

/** How to undo a coding; null where it is unknown, or where the first bytes show that it was never applied. */
function decoderFor(coding: string, head: Buffer): Decoder | null {
  if (formatOf(head) !== null) return null
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return head[0] === 0x1f && head[1] === 0x8b ? 'gunzip' : null
    case 'deflate':
      return hasZlibHeader(head) ? 'inflate' : 'inflateRaw'
    case 'br':
      return 'brotli'
    case 'zstd':
      return head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528 ? 'zstd' : null
    default:
      return null
  }
}

/** RFC 1950; some servers send bare deflate data under the same name. */
const hasZlibHeader = (head: Buffer): boolean => head.length >= 2 && ((head[0] ?? 0) & 0x0f) === 8 && head.readUInt16BE(0) % 31 === 0

/**
 * A body without its codings, unpacked no faster than it is read: what a small body unfolds to is never there as a whole. What is unknown
 * (`aws-chunked`) or was never applied is passed through: the bytes decide what it is. The stream fails with `DownloadError`, also where more
 * than `maxBytes` come out.
 */
export async function decodeStream(body: Readable, contentEncoding: string, maxBytes: number): Promise<Readable> {
  let decoded = body
  for (const coding of codingsOf(contentEncoding)) {
    const first = await firstBytes(decoded, SIGNATURE_BYTES)
    const decoder = decoderFor(coding, first.head)
    decoded = decoder === null ? first.stream : pipeline(first.stream, streams[decoder](), new ByteLimit(maxBytes), () => {})
  }
  return decoded
}

/**
 * At least `wanted` first bytes of a stream, fewer only where it ends before; and the stream that still begins with them.
 * @throws DownloadError
 */
export async function firstBytes(stream: Readable, wanted: number): Promise<{ readonly head: Buffer; readonly stream: Readable }> {
  const parts: Buffer[] = []
  let bytes = 0
  for (;;) {
    if (stream.errored !== null) throw asDownloadError(stream.errored)
    const part = stream.read() as Buffer | null
    if (part !== null) {
      parts.push(part)
      bytes += part.length
    }
    if (bytes >= wanted) {
      const head = Buffer.concat(parts)
      stream.unshift(head)
      return { head, stream }
    }
    if (stream.readableEnded || stream.destroyed) {
      const head = Buffer.concat(parts)
      return { head, stream: Readable.from(head.length === 0 ? [] : [head], { objectMode: false }) }
    }
    if (part === null) await somethingHappens(stream)
  }
}

const EVENTS = ['readable', 'end', 'close', 'error'] as const

function somethingHappens(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    const onEvent = (): void => {
      for (const event of EVENTS) stream.off(event, onEvent)
      resolve()
    }
    for (const event of EVENTS) stream.on(event, onEvent)
  })
}

/** Counts what comes out of a decoder: a small body can unfold to far more. */
class ByteLimit extends Transform {
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxBytes: number) {
    super()
    this.#maxBytes = maxBytes
    // It may fail before its consumer listens; the consumer still finds the error on the stream.
    this.on('error', () => {})
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#maxBytes) callback(new DownloadError('too_large', `the body is larger than ${this.#maxBytes} bytes`))
    else callback(null, chunk)
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    callback(error === null ? null : asDownloadError(error))
  }
}

const asDownloadError = (error: Error): DownloadError =>
  error instanceof DownloadError ? error : new DownloadError('stream', `the compressed body is damaged (${reasonOf(error)})`)
