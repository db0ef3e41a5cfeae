import { createHash } from 'node:crypto'
import { beginsAsImage, formatOf, withoutTrailing } from '#contract'
import { markForInlineImage } from './heap-limits.ts'
import { HEAD_CHARS, type HeldBytes } from './held-bytes.ts'

export type Payload =
  | { readonly kind: 'bytes'; readonly head: string; readonly held: HeldBytes }
  /** `written` is short, and wrong in the same way as what came. */
  | { readonly kind: 'wrong'; readonly written: string }

/** Enough for each decoding to be worth its call, and not long enough to be noticed. */
const PENDING_CHARS = 48 * 1024

/** Null where it holds anything but whole groups of the plain alphabet. */
function strictlyDecoded(base64: string): Buffer | null {
  try {
    const { buffer, byteLength } = Uint8Array.fromBase64(base64)
    // White space is passed over, and padding is shorter than it seems.
    return byteLength === (base64.length / 4) * 3 ? Buffer.from(buffer) : null
  } catch {
    return null
  }
}

/** Decodes the base64 of an image as it comes, in any spelling a `data:` URI may have: wrapped, URL-safe, percent-encoded, without padding. */
export class PayloadDecoder {
  readonly #isUri: boolean
  readonly #hash = createHash('sha256')
  readonly #chunks: Buffer[] = []
  #bytes = 0
  #pending = ''
  #head = ''
  /** Characters of a group of four that is not whole yet. */
  #group = ''
  /** The beginning of a percent-encoded character. */
  #percent = ''
  #isPadded = false
  #hasFragment = false
  #wrong: string | null = null

  /** @param isUri a `#` ends the data, and `%` begins an encoded character */
  constructor(isUri: boolean) {
    this.#isUri = isUri
  }

  write(text: string): void {
    if (this.#wrong !== null || this.#hasFragment) return
    this.#pending += text
    if (this.#pending.length >= PENDING_CHARS) this.#decodePending()
  }

  #decodePending(): void {
    const text = this.#pending
    this.#pending = ''
    const whole = this.#percent === '' && !this.#isPadded ? this.#group + text : null
    const end = whole === null ? 0 : whole.length - (whole.length % 4)
    const bytes = whole === null ? null : strictlyDecoded(whole.slice(0, end))
    if (whole === null || bytes === null || /[^A-Za-z0-9+/]/.test(whole.slice(end))) return this.#decodeRespelled(text)
    this.#group = whole.slice(end)
    if (this.#head.length < HEAD_CHARS) this.#head = whole.slice(0, HEAD_CHARS)
    this.#take(bytes)
  }

  #decodeRespelled(text: string): void {
    const payload = this.#respelled(text)
    const bare = withoutTrailing(payload, '=')
    this.#wrong = bare !== '' && this.#isPadded ? '=' : (/[^A-Za-z0-9+/]/.exec(bare)?.[0] ?? null)
    if (this.#wrong !== null) return
    this.#isPadded ||= bare.length < payload.length
    if (this.#head.length < HEAD_CHARS) this.#head += bare.slice(0, HEAD_CHARS - this.#head.length)
    const whole = this.#group + bare
    const end = whole.length - (whole.length % 4)
    this.#group = whole.slice(end)
    if (end > 0) this.#take(Buffer.from(whole.slice(0, end), 'base64'))
  }

  /** What has come so far. `with a signature`: that of an image, and what stands behind it is none. */
  begins(): 'as text' | 'as other bytes' | 'with a signature' | 'as an image' {
    if (this.#pending !== '') this.#decodePending()
    if (this.#wrong !== null) return 'as text'
    const head = this.#chunks[0] ?? new Uint8Array()
    if (formatOf(head) === null) return 'as other bytes'
    return beginsAsImage(head) ? 'as an image' : 'with a signature'
  }

  end(): Payload {
    if (this.#pending !== '') this.#decodePending()
    if (this.#percent !== '' && !this.#hasFragment) this.#wrong ??= '%'
    if (this.#wrong !== null) return { kind: 'wrong', written: `${this.#head}${this.#wrong}A` }
    if (this.#group.length === 1) return { kind: 'wrong', written: `${this.#head}A` }
    if (this.#group !== '') this.#take(Buffer.from(this.#group, 'base64'))
    return { kind: 'bytes', head: this.#head, held: { chunks: this.#chunks, bytes: this.#bytes, sha256: this.#hash.digest('hex') } }
  }

  #take(bytes: Buffer): void {
    markForInlineImage()
    this.#hash.update(bytes)
    this.#chunks.push(bytes)
    this.#bytes += bytes.length
  }

  /** In base64's own alphabet, but for what is wrong and for the padding. */
  #respelled(text: string): string {
    const decoded = this.#isUri ? this.#percentDecoded(text) : text
    const [data = '', fragment] = this.#isUri ? decoded.split('#', 2) : [decoded]
    this.#hasFragment = fragment !== undefined
    return data.replaceAll(/\s/g, '').replaceAll('-', '+').replaceAll('_', '/')
  }

  #percentDecoded(text: string): string {
    const whole = this.#percent + text
    this.#percent = /%[0-9a-f]?$/i.exec(whole)?.[0] ?? ''
    return whole
      .slice(0, whole.length - this.#percent.length)
      .replaceAll(/%[0-9a-f]{2}/gi, (escaped) => String.fromCharCode(Number.parseInt(escaped.slice(1), 16)))
  }
}
