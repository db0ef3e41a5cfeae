import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { SIGNATURE_BYTES } from '#contract'
import type { OutputFormat } from '#contract'
import { AssetError } from '../../core/ports.ts'
import { isTimeForLittle, itsTurn } from '../../reading/turn-share.ts'
import { cutOrDamaged } from './cut-or-damaged.ts'
import { assertFormat, checkedSize } from './image-file.ts'
import { hasEndMarker } from './structure/jpeg.ts'
import { structureOf } from './structure/structure.ts'
import type { Size } from './structure/orientation.ts'
import type { Structure, Verdict } from './structure/verdict.ts'

const SLICE_BYTES = 256 * 1_024
/** The pieces of a download are a quarter of it: each write is a turn of libuv's pool. */
const WRITTEN_AT_ONCE_BYTES = 256 * 1_024
/** An image that is no larger is judged before a file is opened for it: one that is cut off costs no more than reading it. */
const MOST_HELD_BYTES = 256 * 1_024
/** A photograph's take a tenth of a millisecond, the costliest that are known (restart markers behind every block of a JPEG) two or three. */
const JUDGED_AT_ONCE_BYTES = 16 * 1_024
/** A photograph of 190 kB takes less and waits for no turn, which costs a tenth of that more. */
const JUDGED_AT_ONCE_MS = 3

/** An image on its way whose first bytes say what it is: all of a small one, or the chunks of a large one from its beginning. */
export type Incoming =
  | { readonly kind: 'whole'; readonly format: OutputFormat; readonly image: Buffer }
  | { readonly kind: 'chunks'; readonly format: OutputFormat; readonly chunks: AsyncGenerator<Buffer> }

export interface Limits extends Origin {
  readonly maxBytes: number
}

/** Where an image comes from. */
export interface Origin {
  /** The key whose image it is, which has its turns among the others. */
  readonly owner: string
  /** Its length as stated beforehand; null where nobody did. */
  readonly statedBytes: number | null
}

/** What its structure says: its size as seen, and whether it is whole, or only a decoder can say. */
export interface Judgement {
  readonly size: Size
  readonly verdict: Verdict
}

export interface Received extends Judgement {
  readonly sha256: string
  readonly bytes: number
}

/**
 * What is no image is refused at its first bytes, not its last.
 * @throws AssetError `not_an_image`, `too_large`, `stream`
 */
export async function incoming(source: Readable | Buffer, maxBytes: number): Promise<Incoming> {
  const chunks = chunksOf(source)
  const first: Buffer[] = []
  let bytes = 0
  let head: Buffer = Buffer.alloc(0)
  let format: OutputFormat | null = null
  while (format === null || bytes <= MOST_HELD_BYTES) {
    const { done, value } = await chunks.next()
    if (done === true) return { kind: 'whole', format: format ?? assertFormat(head), image: together(first) }
    first.push(value)
    bytes += value.length
    if (bytes > maxBytes) throw tooLarge(maxBytes)
    if (format !== null) continue
    head = Buffer.concat([head, value.subarray(0, SIGNATURE_BYTES - head.length)])
    if (head.length === SIGNATURE_BYTES) format = assertFormat(head)
  }
  return { kind: 'chunks', format, chunks: continued(first, chunks) }
}

const together = (chunks: readonly Buffer[]): Buffer => (chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks))

async function* continued(first: readonly Buffer[], rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield* first
  yield* rest
}

/**
 * Of an image in memory. Whether it has an end at all is asked first, since to read every code of half a JPEG says no more.
 * @throws AssetError `not_an_image`, `too_large`
 */
export async function judge(image: Buffer, format: OutputFormat, { statedBytes, owner }: Origin): Promise<Judgement> {
  if (format === 'jpeg' && !hasEndMarker(image)) throw cutOrDamaged('it has no end')
  const structure = structureOf(format, statedBytes)
  await takeInTurns(image, structure, owner)
  return judgementOf(structure)
}

function judgementOf(structure: Structure): Judgement {
  const verdict = structure.verdict()
  return { verdict, size: checkedSize(structure.size(true), verdict) }
}

/** However small an image is, its codes may be many, and a request may have sixteen: what takes longer than others should wait goes on in a later turn. */
export async function takeInTurns(bytes: Buffer, structure: Structure, owner: string, isEnough = (): boolean => false): Promise<void> {
  for (let at = 0; at < bytes.length && !isEnough(); at += JUDGED_AT_ONCE_BYTES) {
    const piece = bytes.subarray(at, at + JUDGED_AT_ONCE_BYTES)
    if (!isTimeForLittle(JUDGED_AT_ONCE_MS)) await itsTurn(piece.length, owner)
    structure.take(piece)
  }
}

/**
 * Writes chunks to an open file, and hashes them and judges their structure on the way.
 * @throws AssetError `not_an_image`, `too_large`, `stream`; any other error is the file's
 */
export async function receive(
  { chunks, format }: Extract<Incoming, { kind: 'chunks' }>,
  file: FileHandle,
  { maxBytes, statedBytes, owner }: Limits,
): Promise<Received> {
  const hash = createHash('sha256')
  const structure = structureOf(format, statedBytes)
  let bytes = 0

  let waiting: Buffer[] = []
  let waitingBytes = 0

  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > maxBytes) throw tooLarge(maxBytes)
    await takeInTurns(chunk, structure, owner)
    hash.update(chunk)
    waiting.push(chunk)
    waitingBytes += chunk.length
    if (waitingBytes < WRITTEN_AT_ONCE_BYTES) continue
    await write(file, waiting, waitingBytes)
    waiting = []
    waitingBytes = 0
  }
  if (waitingBytes > 0) await write(file, waiting, waitingBytes)
  return { sha256: hash.digest('hex'), bytes, ...judgementOf(structure) }
}

async function write(file: FileHandle, pieces: readonly Buffer[], bytes: number): Promise<void> {
  const { bytesWritten } = await file.writev(pieces)
  // A disk that is nearly full takes a part, and says why with the next.
  if (bytesWritten < bytes) await file.writeFile(Buffer.concat(pieces).subarray(bytesWritten))
}

const tooLarge = (maxBytes: number): AssetError =>
  new AssetError('too_large', `the image has more than the ${maxBytes} bytes that are taken`)

async function* chunksOf(source: Readable | Buffer): AsyncGenerator<Buffer> {
  if (Buffer.isBuffer(source)) {
    yield* slicesOf(source)
    return
  }
  const chunks: AsyncIterator<unknown> = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const { done, value } = await chunks.next().catch(broken)
      if (done === true) return
      yield* slicesOf(Buffer.isBuffer(value) ? value : Buffer.from(value as Uint8Array))
    }
  } finally {
    // Reached early where the reader gave up.
    await chunks.return?.()
  }
}

/** Hashing and judging a whole image at once would stop everybody else: between two slices, which are written one by one, they have their turn. */
function* slicesOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) yield bytes.subarray(at, at + SLICE_BYTES)
}

function broken(error: unknown): never {
  const reason = error instanceof Error ? error.message : String(error)
  const isTooLarge = error instanceof Error && 'reason' in error && error.reason === 'too_large'
  throw isTooLarge ? new AssetError('too_large', reason) : new AssetError('stream', `the image broke off on its way (${reason})`)
}
