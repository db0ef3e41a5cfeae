import { createHash } from 'node:crypto'
import { mayNeedScrubbing, scrubbedText } from '#adapter-kit'
import { formatOf, SIGNATURE_BYTES, withoutTrailing } from '#contract'
import type { Json, JsonObject } from '#contract'
import { sha256Of } from '../../reading/held-bytes.ts'

/** Bytes of a body that are shown. */
export const MOST_SHOWN_BYTES = 16_000
const MOST_DEPTH = 40
/** Fields whose text is never shown, whatever it says. */
const SECRET_FIELD = /secret|password|signature|authorization|credential|api[-_]?key|(?:^|[-_])(?:token|key|sig)$|[a-z]Token$/i
/** What stands for an image that is held is shorter than an image. */
const LEAST_STAND_IN_CHARS = 128
const LEAST_IMAGE_CHARS = 256
const DATA_URI = /^data:[^,]{0,100};base64,/i
/** So many bytes of images are hashed for one body; those that are known by their length need no hashing. */
const MOST_HASHED_BYTES = 8 * 1_024 * 1_024
const HIDDEN = '…'

/** An image that may stand in a body, by the number of its bytes. */
export interface KnownImage {
  readonly bytes: number
  readonly sha256: string
}

export interface Shown {
  readonly text: string | null
  readonly isCut: boolean
}

export interface ShownOptions {
  readonly images?: readonly KnownImage[]
  /** Texts that are left out wherever they stand. */
  readonly secrets?: readonly string[]
}

/** A body as its owner may see it: JSON without secrets, images as hashes, at most its first 16 kB. */
export function shownText(body: Json | undefined, { images = [], secrets = [] }: ShownOptions = {}): Shown {
  if (body === undefined || body === null) return { text: null, isCut: false }
  if (typeof body !== 'string' && isShownAsItIs(body, secrets, MOST_DEPTH)) return cut(JSON.stringify(body))
  const writer = new Writer(images, secrets)
  if (typeof body === 'string') writer.writeBare(body)
  else writer.write(body, MOST_DEPTH)
  return cut(writer.text)
}

/**
 * Whether a body has nothing in it that is left out: most submits and replies have not, and to find that out and write them at once takes a
 * fifth of the time of cleaning them text by text.
 */
function isShownAsItIs(value: Json, secrets: readonly string[], depth: number): boolean {
  if (typeof value === 'string') return isHarmless(value) && !hasAny(value, secrets)
  if (typeof value !== 'object' || value === null) return true
  if (depth === 0) return false
  if (Array.isArray(value)) return value.every((one: Json) => isShownAsItIs(one, secrets, depth - 1))
  const fields = value as JsonObject
  for (const name in fields) {
    if (!isHarmlessName(name) || hasAny(name, secrets)) return false
    if (!isShownAsItIs(fields[name] ?? null, secrets, depth - 1)) return false
  }
  return true
}

function hasAny(text: string, secrets: readonly string[]): boolean {
  for (const secret of secrets) if (text.includes(secret)) return true
  return false
}

const isHarmless = (text: string): boolean => text.length < LEAST_STAND_IN_CHARS && !mayNeedScrubbing(text)

/** Bodies have the same few names again and again. */
const MOST_NAMES = 1_000
const harmlessNames = new Set<string>()

function isHarmlessName(name: string): boolean {
  if (harmlessNames.has(name)) return true
  if (name === '$digits' || SECRET_FIELD.test(name) || !isHarmless(name)) return false
  if (harmlessNames.size < MOST_NAMES) harmlessNames.add(name)
  return true
}

function cut(text: string): Shown {
  if (text.length * 3 <= MOST_SHOWN_BYTES || Buffer.byteLength(text) <= MOST_SHOWN_BYTES) return { text, isCut: false }
  const whole = Buffer.from(text).subarray(0, MOST_SHOWN_BYTES).toString()
  return { text: withoutTrailing(whole, '�'), isCut: true }
}

class Writer {
  text = ''
  readonly #unmatched: KnownImage[]
  readonly #secrets: readonly string[]
  #hashedBytes = 0

  constructor(images: readonly KnownImage[], secrets: readonly string[]) {
    this.#unmatched = [...images]
    this.#secrets = secrets
  }

  /** A body that is no JSON. */
  writeBare(text: string): void {
    this.text = this.#clean(text)
  }

  write(value: Json, depth: number): void {
    // What follows would be cut off.
    if (this.text.length > MOST_SHOWN_BYTES) return
    if (typeof value === 'string') this.text += JSON.stringify(this.#clean(value))
    else if (typeof value !== 'object' || value === null) this.text += JSON.stringify(value)
    else if (depth === 0) this.text += JSON.stringify(HIDDEN)
    else if (Array.isArray(value)) this.#writeList(value as readonly Json[], depth)
    else this.#writeFields(value as JsonObject, depth)
  }

  #writeList(values: readonly Json[], depth: number): void {
    this.text += '['
    for (const [index, value] of values.entries()) {
      if (this.text.length > MOST_SHOWN_BYTES) return
      if (index > 0) this.text += ','
      this.write(value, depth - 1)
    }
    this.text += ']'
  }

  #writeFields(fields: JsonObject, depth: number): void {
    // Sent as a bare number.
    if (typeof fields['$digits'] === 'string') {
      this.text += this.#clean(fields['$digits'])
      return
    }
    let separator = '{'
    for (const name in fields) {
      if (this.text.length > MOST_SHOWN_BYTES) return
      const value = fields[name]
      if (value === undefined) continue
      this.text += `${separator}${JSON.stringify(this.#clean(name))}:`
      separator = ','
      if (typeof value === 'string' && value !== '' && SECRET_FIELD.test(name)) this.text += JSON.stringify(HIDDEN)
      else this.write(value, depth - 1)
    }
    this.text += separator === '{' ? '{}' : '}'
  }

  #clean(text: string): string {
    const image = text.length < LEAST_STAND_IN_CHARS ? null : this.#imageIn(text)
    if (image !== null) return image
    // A link that is cut loses its signature all the same.
    const shown = scrubbedText(text.slice(0, MOST_SHOWN_BYTES + 1))
    return this.#secrets.reduce((cleaned, secret) => cleaned.replaceAll(secret, HIDDEN), shown)
  }

  #imageIn(text: string): string | null {
    const held = sha256Of(text)
    if (held !== null) return `[image, sha256 ${held}]`
    if (text.length < LEAST_IMAGE_CHARS) return null
    const start = DATA_URI.exec(text)?.[0].length ?? 0
    const head = Buffer.from(text.slice(start, start + SIGNATURE_BYTES * 2), 'base64')
    if (start === 0 && formatOf(head) === null) return null
    const bytes = Math.floor(((text.length - start) * 3) / 4) - (text.endsWith('==') ? 2 : Number(text.endsWith('=')))
    const known = this.#unmatched.findIndex((image) => image.bytes === bytes)
    const sha256 = known < 0 ? this.#hash(text.slice(start), bytes) : this.#unmatched.splice(known, 1)[0]?.sha256
    return sha256 ? `[image, sha256 ${sha256}]` : `[image, ${bytes} bytes]`
  }

  #hash(base64: string, bytes: number): string | null {
    this.#hashedBytes += bytes
    return this.#hashedBytes > MOST_HASHED_BYTES ? null : createHash('sha256').update(Buffer.from(base64, 'base64')).digest('hex')
  }
}
