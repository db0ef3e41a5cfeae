import { described, formatOf } from './image-bytes.ts'

export type DataUri =
  /** `data:image/<png|jpeg|webp>;base64,…` in the one spelling that the rest of the gateway reads; the label is that of the bytes. */
  | { readonly kind: 'image'; readonly uri: string }
  /** Why it is none, to be read after the field's name: "has no comma …". */
  | { readonly kind: 'refused'; readonly reason: string }

const refused = (reason: string): DataUri => ({ kind: 'refused', reason })

/**
 * An image in a `data:` URI of any spelling that RFC 2397 allows: upper case, parameters, percent-encoding with or without base64, and, as
 * browsers take it, wrapped lines and the URL-safe alphabet. Any `image/*` label will do: the bytes decide. Pure and total.
 */
export function readDataUri(text: string): DataUri {
  const comma = text.indexOf(',')
  if (comma < 0) return refused('is a data: URI without a comma before its data')
  const [label = '', ...parameters] = text
    .slice('data:'.length, comma)
    .split(';')
    .map((part) => part.trim().toLowerCase())
  if (!label.startsWith('image/')) return refused(`is a data: URI labelled ${JSON.stringify(label.slice(0, 100))}, not image/…`)
  const [written = ''] = text.slice(comma + 1).split('#', 1)
  const isBase64 = parameters.at(-1) === 'base64'
  const decoded = written.includes('%') ? percentDecoded(written) : written
  if (decoded === null) return refused('is a data: URI with a % that begins no percent-encoding')
  if (isBase64) return imageInBase64(decoded)
  if (/[\u0100-\uffff]/.test(decoded)) return refused('is a data: URI with characters that are not percent-encoded')
  return imageInBase64(Uint8Array.from(decoded, (character) => character.charCodeAt(0)).toBase64())
}

/** A `data:` URI from others' clients and vendors, who label it as they like: the bytes alone decide. */
export const readDataUriOfAnyLabel = (text: string): DataUri => readDataUri(text.trim().replace(/^data:(?!image\/)[^;,]*/i, 'data:image/*'))

/** Base64 of first bytes that are enough to know the format. */
const HEAD_CHARS = 16

/** Bare base64, wrapped or URL-safe or without its padding too, as a `data:` URI. */
export function imageInBase64(text: string): DataUri {
  const payload = text.replaceAll(/\s/g, '').replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '')
  if (payload === '') return refused('holds no data')
  const wrong = /[^A-Za-z0-9+/=]/.exec(payload)?.[0] ?? (payload.includes('=') ? '=' : undefined)
  if (wrong !== undefined) return refused(`is not base64: it holds ${JSON.stringify(wrong)}`)
  if (payload.length % 4 === 1) return refused('is not whole base64: a part of it is missing')
  if (payload.length < HEAD_CHARS) return refused('is not base64 of an image: it is too short')
  const head = Uint8Array.fromBase64(payload.slice(0, HEAD_CHARS))
  const format = formatOf(head)
  if (format === null) return refused(`holds ${described(head)}, not a JPEG, PNG or WebP image`)
  return { kind: 'image', uri: `data:image/${format};base64,${payload}${'='.repeat((4 - (payload.length % 4)) % 4)}` }
}

/** One character for each byte; null where a `%` is no part of an encoding. */
const percentDecoded = (text: string): string | null =>
  /%(?![0-9a-f]{2})/i.test(text)
    ? null
    : text.replaceAll(/%[0-9a-f]{2}/gi, (escaped) => String.fromCharCode(Number.parseInt(escaped.slice(1), 16)))
