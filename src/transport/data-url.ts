/** The bytes of a `data:` URL in any legal spelling (RFC 2397), or null where it is none or its base64 is damaged. Its media type is not read. */
export function bytesOfDataUrl(text: string): Buffer | null {
  const url = URL.parse(text)
  if (url === null || url.protocol !== 'data:') return null
  const content = url.href.slice('data:'.length, url.href.length - url.hash.length)
  const comma = content.indexOf(',')
  if (comma === -1) return null
  const bytes = percentDecoded(content.slice(comma + 1))
  return /;\s*base64\s*$/i.test(content.slice(0, comma)) ? base64Decoded(bytes.toString('latin1')) : bytes
}

function percentDecoded(text: string): Buffer {
  if (!text.includes('%')) return Buffer.from(text, 'latin1')
  return Buffer.from(
    text.replaceAll(/%[0-9a-f]{2}/gi, (escaped) => String.fromCharCode(Number.parseInt(escaped.slice(1), 16))),
    'latin1',
  )
}

/** Wrapped lines and the URL-safe alphabet are taken too. */
const base64Decoded = (text: string): Buffer | null =>
  /^[\s\w+/-]*[\s=]*$/.test(text) ? Buffer.from(text.replaceAll(/\s/g, ''), 'base64') : null
