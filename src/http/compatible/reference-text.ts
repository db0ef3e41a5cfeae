export type ReferenceText =
  /** An http(s) URL as it is, or a data URI, as a request takes them. */
  { readonly kind: 'reference'; readonly reference: string } | { readonly kind: 'refused'; readonly reason: string }

const MAX_URL_CHARS = 2_000

/** Enough base64 to tell the media type: 12 bytes. */
const HEAD_CHARS = 16

/** A reference as vendors' clients write it: a URL, a data URI of any media type, or bare base64. The media type is read from the bytes. */
export function readReferenceText(text: string): ReferenceText {
  const trimmed = text.trim()
  if (/^https?:\/\//i.test(trimmed)) {
    if (!URL.canParse(trimmed) || /\s/.test(trimmed)) return { kind: 'refused', reason: 'is not a valid URL' }
    return trimmed.length > MAX_URL_CHARS
      ? { kind: 'refused', reason: `is a URL of more than ${MAX_URL_CHARS} characters` }
      : { kind: 'reference', reference: trimmed }
  }
  const payload = trimmed.replace(/^data:[^,]{0,200},/i, '').replaceAll(/\s/g, '')
  if (!/^[A-Za-z0-9+/]{16,}={0,2}$/.test(payload))
    return { kind: 'refused', reason: 'is neither an http(s) URL nor a base64 encoded image' }
  const mediaType = mediaTypeOf(Buffer.from(payload.slice(0, HEAD_CHARS), 'base64'))
  if (mediaType === null) return { kind: 'refused', reason: 'is not a JPEG, PNG or WebP image' }
  return { kind: 'reference', reference: `data:${mediaType};base64,${payload}` }
}

function mediaTypeOf(head: Buffer): string | null {
  if (head.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))) return 'image/jpeg'
  if (head.subarray(0, 4).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47]))) return 'image/png'
  return head.toString('latin1', 0, 4) === 'RIFF' && head.toString('latin1', 8, 12) === 'WEBP' ? 'image/webp' : null
}
