import { BoundedJsonReader, type BoundedJson, type JsonBounds } from './bounded-json.ts'

/** One Server-Sent Event: its name, empty where it has none, and its data, not yet parsed. */
export interface ReadEvent {
  readonly name: string
  readonly data: Extract<BoundedJson, { kind: 'text' }>
}

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const COLON = 0x3a
const SPACE = 0x20
const BREAK = Buffer.from('\n')
const BYTE_ORDER_MARK = '\u00EF\u00BB\u00BF'
/** Longer than the name of any field, and of any event. */
const MOST_FIELD_CHARS = 16
const MOST_NAME_CHARS = 100

/**
 * Reads Server-Sent Events as they come, cut anywhere (WHATWG HTML, 9.2.6). The data of each is read as a reply in one piece is, with the
 * images taken out of it, and all events together stay within the bounds of one reply.
 */
export class EventReader {
  readonly #bounds: JsonBounds
  readonly #onEvent: (event: ReadEvent) => void
  /** The field of the line that is being read; `isNamed` once its colon has come. */
  #field = ''
  #isNamed = false
  /** A single space behind the colon is no part of the value. */
  #isValueBegun = false
  #isAfterReturn = false
  #name = ''
  #json: BoundedJsonReader | null = null
  #events = 0
  #bytes = 0
  #values = 0
  #refusal: string | null = null

  constructor(bounds: JsonBounds, onEvent: (event: ReadEvent) => void) {
    this.#bounds = bounds
    this.#onEvent = onEvent
  }

  /** Why no more of it is read, after "the reply"; null where it is. */
  get refusal(): string | null {
    return this.#refusal
  }

  write(chunk: Buffer): void {
    let lineFeed = -1
    for (let at = 0; at < chunk.length && this.#refusal === null;) {
      if (this.#isAfterReturn) {
        this.#isAfterReturn = false
        if (chunk[at] === LINE_FEED) {
          at += 1
          continue
        }
      }
      if (lineFeed < at) lineFeed = positionOf(chunk, LINE_FEED, at)
      const end = positionOf(chunk.subarray(0, lineFeed), CARRIAGE_RETURN, at)
      this.#part(chunk.subarray(at, end))
      if (end < chunk.length) this.#endLine()
      this.#isAfterReturn = chunk[end] === CARRIAGE_RETURN
      at = end + 1
    }
  }

  /** The last event counts also where no empty line follows it. */
  end(): void {
    if (this.#refusal !== null) return
    this.#endLine()
    this.#endEvent()
  }

  /** It broke off: the event that had not come whole is let go. */
  abandon(): void {
    this.#json?.abandon()
    this.#json = null
  }

  /** Part of a line. */
  #part(bytes: Buffer): void {
    let value = bytes
    if (!this.#isNamed) {
      const colon = positionOf(bytes, COLON, 0)
      this.#field = (this.#field + bytes.toString('latin1', 0, Math.min(colon, MOST_FIELD_CHARS))).slice(0, MOST_FIELD_CHARS)
      if (colon === bytes.length) return
      this.#isNamed = true
      this.#beginValue()
      value = bytes.subarray(colon + 1)
    }
    if (value.length === 0) return
    if (!this.#isValueBegun && value[0] === SPACE) value = value.subarray(1)
    this.#isValueBegun = true
    if (this.#field === 'event') this.#name = (this.#name + value.toString('latin1', 0, MOST_NAME_CHARS)).slice(0, MOST_NAME_CHARS)
    if (this.#field === 'data') this.#write(value)
  }

  #beginValue(): void {
    if (this.#field.startsWith(BYTE_ORDER_MARK)) this.#field = this.#field.slice(BYTE_ORDER_MARK.length)
    if (this.#field === 'event') this.#name = ''
    if (this.#field !== 'data') return
    if (this.#json !== null) return this.#write(BREAK)
    const { maxBytes, maxValues } = this.#bounds
    this.#json = new BoundedJsonReader({ ...this.#bounds, maxBytes: maxBytes - this.#bytes, maxValues: maxValues - this.#values })
  }

  #write(bytes: Buffer): void {
    this.#json?.write(bytes)
    if (this.#json?.isWanted === false) this.#endEvent()
  }

  #endLine(): void {
    if (!this.#isNamed && this.#field === '') this.#endEvent()
    else if (!this.#isNamed) this.#beginValue()
    this.#field = ''
    this.#isNamed = false
    this.#isValueBegun = false
  }

  #endEvent(): void {
    const json = this.#json
    const name = this.#name
    this.#json = null
    this.#name = ''
    if (json === null) return
    const data = json.end()
    this.#events += 1
    this.#bytes += data.bytes.length
    this.#values += json.values
    if (data.kind === 'refused') this.#refusal = data.reason
    else if (this.#events > this.#bounds.maxSiblings) this.#refusal = `has more than ${this.#bounds.maxSiblings} events`
    else this.#onEvent({ name, data })
  }
}

/** The length of the bytes where it is not in them. */
function positionOf(bytes: Buffer, byte: number, from: number): number {
  const at = bytes.indexOf(byte, from)
  return at < 0 ? bytes.length : at
}
