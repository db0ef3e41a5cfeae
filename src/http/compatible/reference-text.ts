import { imageInBase64, parseUrl, readDataUriOfAnyLabel } from '#contract'

export type ReferenceText =
  /** An http(s) URL as it is, or a data URI, as a request takes them. */
  { readonly kind: 'reference'; readonly reference: string } | { readonly kind: 'refused'; readonly reason: string }

const MAX_URL_CHARS = 2_000

/** A reference as vendors' clients write it: a URL, a data URI of any media type, or bare base64. The format is that of the bytes. */
export function readReferenceText(text: string): ReferenceText {
  const trimmed = text.trim()
  if (/^https?:\/\//i.test(trimmed)) {
    if (parseUrl(trimmed) === null || /\s/.test(trimmed)) return { kind: 'refused', reason: 'is not a valid URL' }
    return trimmed.length > MAX_URL_CHARS
      ? { kind: 'refused', reason: `is a URL of more than ${MAX_URL_CHARS} characters` }
      : { kind: 'reference', reference: trimmed }
  }
  const read = /^data:/i.test(trimmed) ? readDataUriOfAnyLabel(trimmed) : imageInBase64(trimmed)
  if (read.kind === 'image') return { kind: 'reference', reference: read.uri }
  const isText = read.reason.startsWith('is not') || read.reason === 'holds no data'
  return { kind: 'refused', reason: isText ? `is neither an http(s) URL nor a base64 encoded image (it ${read.reason})` : read.reason }
}
