import { Readable } from 'node:stream'
import type { Call } from '#contract'
import { type BoundedJson, BoundedJsonReader, type JsonBounds } from '../reading/bounded-json.ts'
import { entrance } from '../reading/gate.ts'
import { release } from '../reading/held-bytes.ts'
import { itsTurn, SMALL_BODY_BYTES } from '../reading/turn-share.ts'
import { decodeStream } from './content-coding.ts'
import type { Redactor } from './redactor.ts'
import { MAX_TEXT_CHARS, parseBody, type ParsedBody } from './reply-body.ts'

/** What a reply to a call may be at most. */
export interface ReplyBounds extends JsonBounds {
  /** Of the whole body, images in base64 included. */
  readonly maxReplyBytes: number
  /** Whether images inside it matter to anybody. */
  readonly bringsImages: boolean
}

const MEBIBYTE = 1_024 * 1_024
/** More than any reply holds that says what became of a task, and few enough to be read at once. */
const TASK: JsonBounds = { maxBytes: 4 * MEBIBYTE, maxDepth: 64, maxValues: 20_000, maxSiblings: 2_000, longTexts: 'cut' }
/** A price list or a list of models may be longer; it brings no images. */
const ACCOUNT: JsonBounds = { ...TASK, maxValues: 50_000, maxSiblings: 10_000 }

/** @param maxReplyBytes of a reply that may bring images in base64 */
export function createReplyBounds(maxReplyBytes: number): (purpose: Call['purpose']) => ReplyBounds {
  const task: ReplyBounds = { ...TASK, maxReplyBytes, bringsImages: true }
  const account: ReplyBounds = { ...ACCOUNT, maxReplyBytes: Math.min(maxReplyBytes, ACCOUNT.maxBytes), bringsImages: false }
  return (purpose) => (purpose === 'cancel' || purpose === 'account' ? account : task)
}

/** A key that is cut in two where the shown text ends must be found all the same. */
const HEAD_BYTES = MAX_TEXT_CHARS + 1_024

/** The body of one reply, read as it comes. What no vendor sends is not parsed: its beginning is the body, as that of a text. */
export class ReplyReader {
  readonly #redactor: Redactor
  readonly #json: BoundedJsonReader
  readonly #bringsImages: boolean
  #head: Buffer = Buffer.alloc(0)

  constructor(bounds: ReplyBounds, redactor: Redactor) {
    this.#redactor = redactor
    this.#bringsImages = bounds.bringsImages
    this.#json = new BoundedJsonReader(bounds)
  }

  /** Whether more of it can still matter. */
  get isWanted(): boolean {
    return this.#json.isWanted
  }

  write(chunk: Buffer): void {
    if (this.#head.length === 0) this.#head = chunk.subarray(0, HEAD_BYTES)
    else if (this.#head.length < HEAD_BYTES) this.#head = Buffer.concat([this.#head, chunk.subarray(0, HEAD_BYTES - this.#head.length)])
    this.#json.write(chunk)
  }

  /** A key that a vendor repeats in its reply gets no further than here. At once where the reply is short, as most are. */
  end(): ParsedBody | Promise<ParsedBody> {
    const read = this.#json.end()
    const redacted = this.#redactor.redact(read.kind === 'refused' ? this.#head : read.bytes)
    return redacted instanceof Promise ? redacted.then((bytes) => this.#parse(read, bytes)) : this.#parse(read, redacted)
  }

  #parse(read: BoundedJson, bytes: Buffer): ParsedBody {
    const parsed = parseBody(bytes)
    if (read.kind === 'refused') return { ...parsed, isJson: false, refusal: read.reason }
    if (parsed.isJson && this.#bringsImages) return { ...parsed, standIns: read.standIns }
    read.standIns.forEach(release)
    return parsed
  }

  /** It broke off: the images of it that had come whole are let go. */
  abandon(): void {
    this.#json.abandon()
  }
}

/** Reads one body, whatever is in it. */
interface BodyReader {
  readonly isWanted: boolean
  write(chunk: Buffer): void
  end(): ParsedBody | Promise<ParsedBody>
}

/** In steps that let others go on between them. @param caller whose turn it is in each */
export async function readPieces(reader: BodyReader, pieces: Pieces, caller: string): Promise<ParsedBody> {
  let soFar = 0
  for await (const piece of pieces) {
    soFar += piece.length
    if (soFar > SMALL_BODY_BYTES) await itsTurn(piece.length, caller)
    reader.write(piece)
    if (!reader.isWanted) break
  }
  return reader.end()
}

type Pieces = Iterable<Buffer> | AsyncIterable<Buffer>

/** A few kB can keep a decoder at work for half a second, with a window of 34 MiB: what unfolds to much is unpacked one after the other, of the providers in turn. */
const line = entrance(1)

/**
 * A body that came whole and packed, as one that is not: piece by piece, so that what it unfolds to is not held.
 * @throws Error where the bytes are damaged, or unfold to more than is read
 */
export async function readPacked(reader: BodyReader, { pieces, encoding, maxBytes, caller }: PackedBody): Promise<ParsedBody> {
  const unpacked = await decodeStream(Readable.from(pieces, { objectMode: false }), encoding, maxBytes)
  return readPieces(reader, inLine(unpacked, caller), caller)
}

/** What is small never waits. */
async function* inLine(unpacked: AsyncIterable<Buffer>, caller: string): AsyncGenerator<Buffer> {
  let soFar = 0
  let isIn = false
  try {
    for await (const piece of unpacked) {
      soFar += piece.length
      if (!isIn && soFar > SMALL_BODY_BYTES) {
        await line.enter(caller)
        isIn = true
      }
      yield piece
    }
  } finally {
    if (isIn) line.leave()
  }
}

interface PackedBody {
  readonly pieces: readonly Buffer[]
  readonly encoding: string
  /** Of what it unfolds to. */
  readonly maxBytes: number
  readonly caller: string
}
