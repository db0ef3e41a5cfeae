import { hold } from './held-bytes.ts'
import { PayloadDecoder } from './payload.ts'

export interface JsonBounds {
  /** Of everything but the base64 of images. */
  readonly maxBytes: number
  readonly maxDepth: number
  /** Members and elements of everything. */
  readonly maxValues: number
  /** Elements of one array, members of one object. */
  readonly maxSiblings: number
}

export type BoundedJson =
  /** JSON that is as short as its bounds say, not yet parsed; `standIns` are those of the images in it, which whoever asked releases. */
  | { readonly kind: 'text'; readonly bytes: Buffer; readonly standIns: readonly string[] }
  /** Why it is not read, after "the body" or "the reply"; `bytes` is how it began. */
  | { readonly kind: 'refused'; readonly reason: string; readonly bytes: Buffer }

/** A string of so many bytes that is base64 is taken out of the JSON, in whatever pieces it comes. */
const LONG_STRING_BYTES = 64 * 1024
/** An image in base64, bare or in a `data:` URI, by the beginning of its string; the group is what stands before the data. */
const URI_START = /^\s*data:[^,"\\]{0,200};base64,/i
const BARE_START = /^[A-Za-z0-9+/\-_\s]+={0,2}$/
const JUDGED_CHARS = 512
/** A longer text is longer than any field takes; a shorter one of which that is true as well stands for it. */
const MOST_TEXT_BYTES = 512 * 1_024
const TOO_LONG_TEXT = Buffer.alloc(128 * 1_024, 'x')

/** Most requests and replies are shorter. */
const FIRST_BYTES = 1_024

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPENERS = new Set([0x5b, 0x7b])
const CLOSERS = new Set([0x5d, 0x7d])
const INTERESTING = new Uint8Array(256)
for (const byte of [QUOTE, COMMA, ...OPENERS, ...CLOSERS]) INTERESTING[byte] = 1

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
  #kept = Buffer.allocUnsafe(FIRST_BYTES)
  #length = 0
  #state: State = STRUCTURE
  /** How many values each open array or object has so far. */
  readonly #siblings: number[] = []
  #values = 0
  #refusal: string | null = null
  readonly #standIns = new Map<string, string>()

  constructor(bounds: JsonBounds) {
    this.#bounds = bounds
  }

  /** False once it is refused: more need not be written. */
  get isWanted(): boolean {
    return this.#refusal === null
  }

  write(chunk: Buffer): void {
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
    const bytes = this.#kept.subarray(0, this.#length)
    if (this.#refusal !== null) return { kind: 'refused', reason: this.#refusal, bytes }
    return { kind: 'text', bytes, standIns: [...this.#standIns.values()] }
  }

  #structure(chunk: Buffer, from: number): number {
    let at = from
    for (; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0
      if (INTERESTING[byte] === 0) continue
      if (byte === QUOTE) {
        this.#keep(chunk, from, at + 1)
        this.#state = { kind: 'string', start: this.#length, isEscaped: false, isText: false, isDropped: false }
        return at + 1
      }
      this.#count(byte)
      if (this.#refusal !== null) return at
    }
    this.#keep(chunk, from, at)
    return at
  }

  #count(byte: number): void {
    const { maxDepth, maxValues, maxSiblings } = this.#bounds
    if (CLOSERS.has(byte)) {
      this.#siblings.pop()
      return
    }
    this.#values += 1
    const last = this.#siblings.length - 1
    if (byte === COMMA && last >= 0) {
      const siblings = (this.#siblings[last] ?? 0) + 1
      this.#siblings[last] = siblings
      if (siblings >= maxSiblings) this.#refusal = `holds a list or object of more than ${maxSiblings} entries`
    } else if (byte !== COMMA) this.#siblings.push(0)
    if (this.#siblings.length > maxDepth) this.#refusal = `is nested deeper than ${maxDepth} levels`
    if (this.#values > maxValues) this.#refusal = `holds more than ${maxValues} values`
  }

  #string(chunk: Buffer, from: number, state: Extract<State, { kind: 'string' }>): number {
    let at = from
    if (state.isEscaped) {
      state.isEscaped = false
      at += 1
    }
    const most = state.isText ? chunk.length : Math.min(chunk.length, from + LONG_STRING_BYTES - (this.#length - state.start))
    for (at = stopIn(chunk, at, most); at < most; at = stopIn(chunk, at + 1, most)) {
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

  /** So that its field is named by whoever judges it. */
  #drop(state: Extract<State, { kind: 'string' }>): void {
    state.isDropped = true
    this.#length = state.start
    this.#keep(TOO_LONG_TEXT)
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
    if (!decoder.beginsAsImage()) return
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
    const standIn = this.#standIns.get(held.sha256) ?? hold(head, held)
    this.#standIns.set(held.sha256, standIn)
    this.#keep(Buffer.from(`${standIn}"`))
  }

  #keep(bytes: Buffer, from = 0, to = bytes.length): void {
    const { maxBytes } = this.#bounds
    const length = this.#length + to - from
    if (length > maxBytes) {
      this.#refusal = `holds more than ${maxBytes} bytes besides the base64 of images`
      return
    }
    if (length > this.#kept.length) {
      const larger = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(length, this.#kept.length * 2)))
      this.#kept.copy(larger, 0, 0, this.#length)
      this.#kept = larger
    }
    bytes.copy(this.#kept, this.#length, from, to)
    this.#length = length
  }
}

/** Most strings end, and most escapes follow one another, within so many bytes. */
const NEAR_BYTES = 64
/** Beyond them a regular expression searches, which is quicker for each byte and slower to begin: in steps that double. */
const FIRST_STEP_BYTES = 256
const LONGEST_STEP_BYTES = 4_096
const STOP = /["\\]/

/** Where the next quote or backslash is; `to` where there is none. */
function stopIn(chunk: Buffer, from: number, to: number): number {
  let at = from
  for (const near = Math.min(to, from + NEAR_BYTES); at < near; at += 1) {
    const byte = chunk[at]
    if (byte === QUOTE || byte === BACKSLASH) return at
  }
  for (let step = FIRST_STEP_BYTES; at < to; step = Math.min(LONGEST_STEP_BYTES, step * 2)) {
    const end = Math.min(to, at + step)
    const found = chunk.toString('latin1', at, end).search(STOP)
    if (found >= 0) return at + found
    at = end
  }
  return to
}

/** A character that is no part of an escape is wrong in base64 too, and stays. */
function unescaped(escape: string): string {
  try {
    return JSON.parse(`"${escape}"`) as string
  } catch {
    return '\\'
  }
}
