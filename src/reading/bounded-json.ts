import { hold, release } from './held-bytes.ts'
import { isSpecial, JsonPosition, mostDepth, QUOTE } from './json-position.ts'
import type { CountBounds } from './json-position.ts'
import { BACKSLASH, StringStops } from './string-stops.ts'
import { PayloadDecoder } from './payload.ts'

export interface JsonBounds extends CountBounds {
  /** Of everything but the base64 of images. */
  readonly maxBytes: number
  /** What becomes of a text that is longer than any field takes: callers are answered at once, what a vendor says is cut and read on. */
  readonly longTexts: 'refused' | 'cut'
}

export type BoundedJson =
  /** JSON that is as short as its bounds say, not yet parsed; `standIns` are those of the images in it, which whoever asked releases. */
  | { readonly kind: 'text'; readonly bytes: Buffer; readonly standIns: readonly string[] }
  /**
   * Why it is not read, after "the body" or "the reply", or after the name of the field that is meant, where there is one; `bytes` is how it
   * began.
   */
  | { readonly kind: 'refused'; readonly reason: string; readonly path: JsonPath | null; readonly bytes: Buffer }

export type JsonPath = readonly (string | number)[]

/** A string of so many bytes that is base64 is taken out of the JSON, in whatever pieces it comes. */
const LONG_STRING_BYTES = 64 * 1024
/** An image in base64, bare or in a `data:` URI, by the beginning of its string; the group is what stands before the data. */
const URI_START = /^\s*data:[^,"\\]{0,200};base64,/i
const BARE_START = /^[A-Za-z0-9+/\-_\s]+={0,2}$/
const JUDGED_CHARS = 512
/** The longest field takes 32,000 characters, and the longest spelling of one is two escapes of six bytes. */
const MOST_TEXT_BYTES = 32_000 * 12
/** Longer than any field takes as well. */
const TOO_LONG_TEXT = Buffer.alloc(128 * 1_024, 'x')
const TOO_LONG = 'is longer than any field may be; shorten it'
const NO_IMAGE = 'is no JPEG, PNG or WebP image by its first bytes; send the base64 of one'

/** Most requests and replies are shorter. */
const SHORT_BYTES = 1_024
const NOTHING = Buffer.alloc(0)

/** Where in the JSON the next byte is. */
type State =
  | { readonly kind: 'structure' }
  /** `start`: where its characters begin in what is kept. `isText`: it stays as it is, until it `isDropped` for its length. */
  | { readonly kind: 'string'; readonly start: number; isEscaped: boolean; isText: boolean; isDropped: boolean }
  | { readonly kind: 'payload'; readonly decoder: PayloadDecoder; escape: string | null }

const STRUCTURE: State = { kind: 'structure' }

/**
 * Reads JSON as it comes and keeps it short: what nobody sends is refused at once, before it is parsed, and the base64 of an image is decoded
 * piece by piece and leaves a stand-in (see `held-bytes.ts`). No step takes longer than a piece is long. Whether it is JSON, a parser says.
 */
export class BoundedJsonReader {
  readonly #bounds: JsonBounds
  #kept = NOTHING
  #length = 0
  /** The first piece, where it is so short that it is read only if another follows. */
  #short: Buffer | null = null
  #state: State = STRUCTURE
  readonly #position: JsonPosition
  #refusal: { readonly reason: string; readonly path: JsonPath | null } | null = null
  readonly #standIns = new Map<string, string>()
  readonly #stops = new StringStops()
  readonly #caller: string | null

  /** @param caller who sends it; absent: it is a reply */
  constructor(bounds: JsonBounds, caller: string | null = null) {
    this.#bounds = bounds
    this.#caller = caller
    this.#position = new JsonPosition(bounds)
  }

  /** False once it is refused: more need not be written. */
  get isWanted(): boolean {
    return this.#refusal === null
  }

  /** Members and elements so far. */
  get values(): number {
    this.#readShort()
    return this.#position.values
  }

  /** @param chunk stays as it is until the end */
  write(chunk: Buffer): void {
    if (this.#length > 0) return this.#read(chunk)
    if (this.#short === null && chunk.length <= SHORT_BYTES && this.#refusal === null) {
      this.#short = chunk
      return
    }
    this.#readShort()
    this.#read(chunk)
  }

  /** Each value and each level takes a byte, and no text in it is long: to see that takes 0.4 µs, to read it 1 to 4. */
  #isWithinBounds(short: Buffer): boolean {
    const { maxBytes, maxValues, maxSiblings, maxDepth } = this.#bounds
    return short.length <= Math.min(maxBytes, maxValues, maxSiblings) && mostDepth(short) <= maxDepth
  }

  #readShort(): void {
    const short = this.#short
    this.#short = null
    if (short !== null) this.#read(short)
  }

  #read(chunk: Buffer): void {
    this.#stops.begin()
    let at = 0
    while (at < chunk.length && this.#refusal === null) {
      const state = this.#state
      switch (state.kind) {
        case 'structure':
          at = this.#structure(chunk, at)
          break
        case 'string':
          at = this.#string(chunk, at, state)
          break
        case 'payload':
          at = this.#payload(chunk, at, state)
          break
      }
    }
  }

  end(): BoundedJson {
    const short = this.#short
    if (short !== null && this.#isWithinBounds(short)) return { kind: 'text', bytes: short, standIns: [] }
    this.#readShort()
    const bytes = this.#kept.subarray(0, this.#length)
    if (this.#refusal !== null) return { kind: 'refused', ...this.#refusal, bytes }
    return { kind: 'text', bytes, standIns: [...this.#standIns.values()] }
  }

  /** Nobody wants what was read: the bytes of its images are let go. */
  abandon(): void {
    for (const standIn of this.#standIns.values()) release(standIn)
    this.#standIns.clear()
  }

  #structure(chunk: Buffer, from: number): number {
    let at = from
    for (; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0
      if (!isSpecial(byte)) continue
      if (byte === QUOTE) {
        this.#keep(chunk, from, at + 1)
        this.#position.beginString(this.#length)
        this.#state = { kind: 'string', start: this.#length, isEscaped: false, isText: false, isDropped: false }
        return at + 1
      }
      const reason = this.#position.count(byte)
      if (reason === null) continue
      this.#refuse(reason)
      return at
    }
    this.#keep(chunk, from, at)
    return at
  }

  #refuse(reason: string, path: JsonPath | null = null): void {
    this.#refusal ??= { reason, path }
    this.abandon()
  }

  #string(chunk: Buffer, from: number, state: Extract<State, { kind: 'string' }>): number {
    let at = from
    if (state.isEscaped) {
      state.isEscaped = false
      at += 1
    }
    const most = state.isText ? chunk.length : Math.min(chunk.length, from + LONG_STRING_BYTES - (this.#length - state.start))
    for (at = this.#stops.next(chunk, at, most); at < most; at = this.#stops.next(chunk, at + 1, most)) {
      if (chunk[at] === QUOTE) {
        this.#keep(chunk, state.isDropped ? at : from, at + 1)
        this.#state = STRUCTURE
        return at + 1
      }
      at += 1
      if (at >= most) state.isEscaped = true
    }
    const end = Math.min(at, most)
    if (!state.isDropped) this.#keep(chunk, from, end)
    if (state.isText && !state.isDropped && this.#length - state.start > MOST_TEXT_BYTES) this.#drop(state)
    if (!state.isText && this.#length - state.start >= LONG_STRING_BYTES && this.#refusal === null) this.#judgeLong(state)
    return end
  }

  /** Who judges it, names its field. */
  #drop(state: Extract<State, { kind: 'string' }>): void {
    if (this.#bounds.longTexts === 'refused') return this.#refuseField(TOO_LONG)
    state.isDropped = true
    this.#length = state.start
    this.#keep(TOO_LONG_TEXT)
  }

  #refuseField(reason: string): void {
    this.#refuse(reason, this.#position.path(this.#kept.subarray(0, this.#length)))
  }

  /** What is kept of a long string goes to a decoder where it is the base64 of an image; any other text stays, and its field's own limit judges it. */
  #judgeLong(state: Extract<State, { kind: 'string' }>): void {
    state.isText = true
    const written = this.#kept.toString('latin1', state.start, this.#length)
    const head = written.slice(0, JUDGED_CHARS)
    const before = URI_START.exec(head)?.[0] ?? null
    if (before === null && !BARE_START.test(head.replaceAll(/\\(?:[/nrt]|u00[0-9a-f]{2})?/gi, ''))) return
    const decoder = new PayloadDecoder(before !== null)
    const payload: Extract<State, { kind: 'payload' }> = { kind: 'payload', decoder, escape: null }
    const characters = Buffer.from(written.slice(before?.length ?? 0, state.isEscaped ? -1 : undefined), 'latin1')
    for (let at = 0; at < characters.length;) at = this.#payload(characters, at, payload)
    const begins = decoder.begins()
    // So many characters, each written as one, are more than any text has.
    const isTooLong = this.#bounds.longTexts === 'refused' && begins !== 'as text' && !written.includes('\\')
    if (isTooLong && begins !== 'as an image') return this.#refuseField(before === null ? TOO_LONG : NO_IMAGE)
    if (begins === 'as text' || begins === 'as other bytes') return
    if (state.isEscaped) payload.escape = '\\'
    this.#length = state.start + (before?.length ?? 0)
    this.#state = payload
  }

  #payload(chunk: Buffer, from: number, state: Extract<State, { kind: 'payload' }>): number {
    if (state.escape !== null) return this.#escape(chunk, from, state)
    const backslash = chunk.indexOf(BACKSLASH, from)
    const run = chunk.subarray(from, backslash < 0 ? chunk.length : backslash)
    const quote = run.indexOf(QUOTE)
    state.decoder.write(run.toString('latin1', 0, quote < 0 ? run.length : quote))
    if (quote >= 0) {
      this.#endPayload(state.decoder)
      return from + quote + 1
    }
    if (backslash < 0) return chunk.length
    state.escape = '\\'
    return backslash + 1
  }

  /** `\/`, `\n` and `\u002b` are how some write what they could write plainly. */
  #escape(chunk: Buffer, from: number, state: Extract<State, { kind: 'payload' }>): number {
    let at = from
    let escape = state.escape ?? ''
    while (at < chunk.length && escape.length < (escape[1] === 'u' ? 6 : 2)) {
      escape += String.fromCharCode(chunk[at] ?? 0)
      at += 1
    }
    const isWhole = escape.length >= (escape[1] === 'u' ? 6 : 2)
    state.escape = isWhole ? null : escape
    if (isWhole) state.decoder.write(unescaped(escape))
    return at
  }

  #endPayload(decoder: PayloadDecoder): void {
    const payload = decoder.end()
    this.#state = STRUCTURE
    if (payload.kind === 'wrong') return this.#keep(Buffer.from(`${JSON.stringify(payload.written).slice(1, -1)}"`))
    // The same bytes have one name: what comes twice is one image.
    const { head, held } = payload
    const standIn = this.#standIns.get(held.sha256) ?? hold(head, held, this.#caller)
    this.#standIns.set(held.sha256, standIn)
    this.#keep(Buffer.from(`${standIn}"`))
  }

  #keep(bytes: Buffer, from = 0, to = bytes.length): void {
    const { maxBytes } = this.#bounds
    const length = this.#length + to - from
    if (length > maxBytes) {
      this.#refuse(`holds more than ${maxBytes} bytes besides the base64 of images`)
      return
    }
    if (length > this.#kept.length) {
      const larger = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(length, this.#kept.length * 2, SHORT_BYTES)))
      this.#kept.copy(larger, 0, 0, this.#length)
      this.#kept = larger
    }
    bytes.copy(this.#kept, this.#length, from, to)
    this.#length = length
  }
}

/** A character that is no part of an escape is wrong in base64 too, and stays. */
function unescaped(escape: string): string {
  try {
    return JSON.parse(`"${escape}"`) as string
  } catch {
    return '\\'
  }
}
