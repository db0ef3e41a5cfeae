import type { ImageRef } from '#contract'
import { withoutSecrets } from './scrub.ts'

/** An http(s) URL as a WHATWG parser makes it of a text, a relative one against `base`; null where there is none. */
export function webUrl(text: string | null | undefined, base?: string): URL | null {
  if (!text?.trim()) return null
  // An absolute link needs no base, and a parser that is given a bad one refuses every link.
  const url = URL.parse(text.toWellFormed()) ?? (base === undefined ? null : URL.parse(text.toWellFormed(), base))
  return (url?.protocol === 'https:' || url?.protocol === 'http:') && url.hostname !== '' ? url : null
}

/** Where an image is, by a link or a `data:` URI in a reply. `base` is the reply's own URL. Null where the text is neither. */
export function imageSource(text: string | null | undefined, base?: string): ImageRef['source'] | null {
  if (/^\s*data:/i.test(text?.slice(0, 100) ?? '')) {
    const data = dataUriBase64(text ?? '')
    return data === null ? null : { kind: 'base64', data }
  }
  const url = webUrl(text, base)
  return url === null ? null : { kind: 'url', url: url.href }
}

/** The payload of a `data:` URI (RFC 2397) as plain base64: any label, upper case, wrapped lines, URL-safe or percent-encoded; null where it is empty. */
export function dataUriBase64(text: string): string | null {
  const [, label = '', payload = ''] = /^\s*data:([^,]{0,300}),([^]*)$/i.exec(text) ?? []
  if (!/;\s*base64\s*$/i.test(label)) return base64OfBytes(payload)
  const plain = (payload.includes('%') ? percentDecoded(payload) : payload)
    .replaceAll(/[\s=]/g, '')
    .replaceAll('-', '+')
    .replaceAll('_', '/')
  if (plain === '' || plain.length % 4 === 1 || !/^[A-Za-z0-9+/]+$/.test(plain)) return null
  return plain.padEnd(Math.ceil(plain.length / 4) * 4, '=')
}

const percentDecoded = (text: string): string =>
  text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))

/** Percent-encoded text is bytes, one for each sequence. */
function base64OfBytes(payload: string): string | null {
  try {
    return btoa(percentDecoded(payload)) || null
  } catch {
    return null
  }
}

/** What came instead of a link, as an error message may say it. */
export function saidInsteadOfLink(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value !== 'string') return Array.isArray(value) ? 'a list' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
  return value.trim() === '' ? 'an empty text' : JSON.stringify(withoutSecrets(value).slice(0, 120))
}

/** The first of everything that shares a key, such as an image's id or its link: what comes twice in a reply is one image. */
export function withoutRepeats<Item>(items: readonly Item[], keysOf: (item: Item) => readonly (string | undefined)[]): readonly Item[] {
  const seen = new Set<string>()
  return items.filter((item) => {
    const keys = keysOf(item).filter((key) => key !== undefined)
    const isRepeat = keys.some((key) => seen.has(key))
    for (const key of keys) seen.add(key)
    return !isRepeat
  })
}
