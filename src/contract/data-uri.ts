import { described, formatOf } from './image-bytes.ts'
import { withoutTrailing } from './trailing.ts'

export type DataUri =
  /** `data:image/<png|jpeg|webp>;base64,…` in the one spelling that the rest of the gateway reads; the label is that of the bytes. */
  | { readonly kind: 'image'; readonly uri: string }
  /** Why it is none, to be read after the field's name: "has no comma …". */
  | { readonly kind: 'refused'; readonly reason: string }

const refused = (reason: string): { readonly kind: 'refused'; readonly reason: string } => ({ kind: 'refused', reason })

/** Plain base64 with its padding, or why there is none. */
type Base64 = { readonly kind: 'base64'; readonly payload: string } | ReturnType<typeof refused>

/** A `data:` URI taken apart. What of it is good enough, its reader decides. */
export interface DataUriParts {
  /** The media type in lower case, without its parameters; empty where there is none. */
  readonly label: string
  readonly data: Base64
  /** Whether every `%` begins a percent-encoding, as RFC 2397 asks. A browser takes one that does not as it stands, and so does `data`. */
  readonly isEncoded: boolean
}

/**
 * Any spelling that RFC 2397 allows: upper case, parameters, percent-encoding with or without base64, and, as browsers take it, wrapped
 * lines and the URL-safe alphabet; a fragment is left out. Null where the text is no `data:` URI or has no comma. Pure and total.
 */
export function parseDataUri(text: string): DataUriParts | null {
  const [scheme] = /^\s*data:/i.exec(text) ?? []
  const comma = text.indexOf(',')
  if (scheme === undefined || comma < 0) return null
  const [label = '', ...parameters] = text
    .slice(scheme.length, comma)
    .split(';')
    .map((part) => part.trim().toLowerCase())
  const [written = ''] = text.slice(comma + 1).split('#', 1)
  const isPlain = !written.includes('%')
  const decoded = isPlain ? written : percentDecoded(written)
  const data = parameters.at(-1) === 'base64' ? plainBase64(decoded) : base64OfBytes(decoded)
  return { label, data, isEncoded: isPlain || !/%(?![0-9a-f]{2})/i.test(written) }
}

/** An image in a `data:` URI whose label says so too. Any `image/*` label will do: the bytes decide which. Pure and total. */
export function readDataUri(text: string): DataUri {
  const parts = parseDataUri(text)
  if (parts !== null && !parts.label.startsWith('image/'))
    return refused(`is a data: URI labelled ${JSON.stringify(parts.label.slice(0, 100))}, not image/…`)
  return imageOf(parts)
}

/** A `data:` URI from others' clients and vendors, who label it as they like: the bytes alone decide. */
export const readDataUriOfAnyLabel = (text: string): DataUri => imageOf(parseDataUri(text))

/** Bare base64, wrapped or URL-safe or without its padding too, as a `data:` URI. */
export const imageInBase64 = (text: string): DataUri => imageIn(plainBase64(text))

function imageOf(parts: DataUriParts | null): DataUri {
  if (parts === null) return refused('is a data: URI without a comma before its data')
  return parts.isEncoded ? imageIn(parts.data) : refused('is a data: URI with a % that begins no percent-encoding')
}

/** Base64 of first bytes that are enough to know the format. */
const HEAD_CHARS = 16

function imageIn(data: Base64): DataUri {
  if (data.kind === 'refused') return data
  const { payload } = data
  if (withoutTrailing(payload, '=').length < HEAD_CHARS) return refused('is not base64 of an image: it is too short')
  const head = Uint8Array.fromBase64(payload.slice(0, HEAD_CHARS))
  const format = formatOf(head)
  if (format === null) return refused(`holds ${described(head)}, not a JPEG, PNG or WebP image`)
  return { kind: 'image', uri: `data:image/${format};base64,${payload}` }
}

function plainBase64(text: string): Base64 {
  const digits = withoutTrailing(text.replaceAll(/\s/g, '').replaceAll('-', '+').replaceAll('_', '/'), '=')
  if (digits === '') return refused('holds no data')
  const wrong = /[^A-Za-z0-9+/=]/.exec(digits)?.[0] ?? (digits.includes('=') ? '=' : undefined)
  if (wrong !== undefined) return refused(`is not base64: it holds ${JSON.stringify(wrong)}`)
  if (digits.length % 4 === 1) return refused('is not whole base64: a part of it is missing')
  return { kind: 'base64', payload: digits.padEnd(Math.ceil(digits.length / 4) * 4, '=') }
}

/** Percent-decoded text is bytes, one for each character. */
function base64OfBytes(text: string): Base64 {
  if (text === '') return refused('holds no data')
  if (/[\u0100-\uffff]/.test(text)) return refused('is a data: URI with characters that are not percent-encoded')
  const bytes = new Uint8Array(text.length)
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at)
  return { kind: 'base64', payload: bytes.toBase64() }
}

/** One character for each byte. */
function percentDecoded(text: string): string {
  const codes = new Uint16Array(text.length)
  let length = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    const high = code === PERCENT ? hexDigit(text.charCodeAt(at + 1)) : null
    const low = high === null ? null : hexDigit(text.charCodeAt(at + 2))
    codes[length] = high === null || low === null ? code : high * 16 + low
    if (low !== null) at += 2
    length += 1
  }
  // A mark of byte order is a character like others here, and refused as one.
  return new TextDecoder('utf-16le', { ignoreBOM: true }).decode(codes.subarray(0, length))
}

const PERCENT = 0x25

/** By the code of its character; null where it is none. */
function hexDigit(code: number): number | null {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const letter = code | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : null
}
