import { parseDataUri, parseUrl, type ImageRef } from '#contract'
import { withoutSecrets } from './scrub.ts'

/** An http(s) URL as a WHATWG parser makes it of a text, a relative one against `base`; null where there is none. */
export function webUrl(text: string | null | undefined, base?: string): URL | null {
  if (!text?.trim()) return null
  // An absolute link needs no base, and a parser that is given a bad one refuses every link.
  const url = parseUrl(text.toWellFormed()) ?? (base === undefined ? null : parseUrl(text.toWellFormed(), base))
  return (url?.protocol === 'https:' || url?.protocol === 'http:') && url.hostname !== '' ? url : null
}

/** Where an image is, by a link or a `data:` URI in a reply. `base` is the reply's own URL. Whatever its label says. Null where the text is neither. */
export function imageSource(text: string | null | undefined, base?: string): ImageRef['source'] | null {
  if (!text) return null
  if (text === lastLink.url) return lastLink
  const inline = parseDataUri(text)?.data
  if (inline) return inline.kind === 'base64' ? { kind: 'base64', data: inline.payload } : null
  const url = webUrl(text, base)
  if (url === null) return null
  lastLink = { kind: 'url', url: url.href }
  return lastLink
}

/** An absolute link in a parser's own spelling. Whoever reads a reply asks for the same one several times, and parsing it takes 1.5 µs. */
let lastLink: Extract<ImageRef['source'], { kind: 'url' }> = { kind: 'url', url: '' }

/** What came instead of a link, as an error message may say it. */
export function saidInsteadOfLink(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value !== 'string') return Array.isArray(value) ? 'a list' : `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`
  return value.trim() === '' ? 'an empty text' : JSON.stringify(withoutSecrets(value).slice(0, 120))
}

/** The first of everything that shares a key, such as an image's id or its link: what comes twice in a reply is one image. */
export function withoutRepeats<Item>(items: readonly Item[], keysOf: (item: Item) => readonly (string | undefined)[]): readonly Item[] {
  if (items.length < 2) return items
  const seen = new Set<string>()
  return items.filter((item) => {
    const keys = keysOf(item).filter((key) => key !== undefined)
    const isRepeat = keys.some((key) => seen.has(key))
    for (const key of keys) seen.add(key)
    return !isRepeat
  })
}
