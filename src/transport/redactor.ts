import { itsTurn } from '../reading/turn-share.ts'
import type { Secret } from './secret.ts'
import { onlyThose, readEscapes } from './spelled-text.ts'

const REDACTED = Buffer.from('[redacted]')
/** A shorter secret is found in innocent text as well. */
const MIN_SECRET_CHARS = 8
/** So many characters of a secret in a row, or of its base64 or hex, are a sign of it. A shorter line than twice as many escapes notice. */
const SIGN_CHARS = 6
/** How much is read in a turn of the event loop, so that others have theirs; and how far a secret in its longest spelling may reach beyond. */
const SLICE_BYTES = 16 * 1_024
const OVERLAP_BYTES = 8 * 1_024
/**
 * A letter or digit that is escaped although nothing asks for it, or what begins such an escape; a character that HTML knows by number; text of
 * two bytes a character.
 */
const SIGN_ESCAPE =
  /(?:\\[uU]00|%(?:25)*)(?:3\d|[46][1-9a-fA-F]|[57][\daA]|5[cC][uUxX])|\\[uU](?:\{|0025)|\\[xX]|(?:&|\\u0026|%26)(?:amp;)*(?:#|\\u0023|%23)|\0/
/** Escaped five times over, as deep as it is read. */
const LONGEST_SIGN_BYTES = 64
/** Keeps a secret that a vendor sends back from getting any further, however it is spelled. */
export interface Redactor {
  /** The same bytes where the secret is not in them; else a copy without it. At once where they are few; where they are many others have turns. */
  redact(bytes: Buffer): Buffer | Promise<Buffer>
  /** The same, of bytes that are few: all of them are read, not only those beside a sign of the secret. */
  redactAll(bytes: Buffer): Buffer | Promise<Buffer>
  /** The same headers where it is not in them. */
  redactHeaders(headers: Headers): Headers
  /** A short text without it, in lower case too, as a host and a scheme are. */
  redactText(text: string): string
}

type Headers = Readonly<Record<string, string>>

const NOTHING_TO_HIDE: Redactor = {
  redact: (bytes) => bytes,
  redactAll: (bytes) => bytes,
  redactHeaders: (headers) => headers,
  redactText: (text) => text,
}

export function createRedactor(secret: Secret): Redactor {
  const value = secret.reveal()
  if (value.length < MIN_SECRET_CHARS) return NOTHING_TO_HIDE
  const needles = needlesOf(value)
  const signs = signsOf([...needles, ...escapedOnce(value)])
  const isSuspicious = (text: string): boolean => signs(text) || SIGN_ESCAPE.test(text)
  const find = finderOf(needles, value)
  return {
    redact: (bytes) => redactIn(bytes, find, isSuspicious),
    redactAll: (bytes) => redactIn(bytes, find, () => true),
    redactText: (text) => redactText(text, find).replaceAll(value.toLowerCase(), REDACTED.toString()),
    redactHeaders(headers) {
      if (!isSuspicious(Object.values(headers).join('\n'))) return headers
      return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, redactText(value, find)]))
    },
  }
}

function redactText(text: string, find: Find): string {
  const bytes = Buffer.from(text)
  return without(bytes, find(bytes.toString('latin1'))).toString()
}

/** The secret itself, in base64 at each of the three ways it can lie in longer data, and in hex. */
function needlesOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  const inBase64 = [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64')
    // Only the characters that do not depend on what stands before and after.
    return encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
  })
  const hex = bytes.toString('hex')
  return [secret, ...inBase64, hex, hex.toUpperCase()]
}

const urlSafe = (text: string): string => text.replaceAll('+', '-').replaceAll('/', '_')

/** As the usual functions for JSON, URLs and HTML escape it, where what is left as it was may be too short to be a sign. */
const escapedOnce = (secret: string): readonly string[] => [
  secret.replaceAll('/', String.raw`\/`),
  encodeURIComponent(secret),
  encodeURIComponent(secret).toLowerCase(),
  secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'),
]

/**
 * Whether any `SIGN_CHARS` characters in a row belong to one of the texts. Most of what is read is skipped: where two characters are no pair
 * of any text, none of the windows over them is one (Wu and Manber, 1994).
 */
function signsOf(texts: readonly string[]): (text: string) => boolean {
  const pairs = new Uint8Array(1 << 16)
  const windows = new Set<string>()
  for (const text of texts.flatMap((one) => [one, urlSafe(one)])) {
    for (let at = 0; at + 1 < text.length; at++) pairs[pairAt(text, at)] = 1
    for (let at = 0; at + SIGN_CHARS <= text.length; at++) windows.add(text.slice(at, at + SIGN_CHARS))
  }
  return (text) => {
    for (let last = SIGN_CHARS - 1; last < text.length;) {
      const first = last - SIGN_CHARS + 1
      let at = last - 1
      while (at >= first && pairs[pairAt(text, at)] === 1) at -= 1
      if (at >= first) last = at + SIGN_CHARS
      else if (windows.has(text.slice(first, last + 1))) return true
      else last += 1
    }
    return false
  }
}

const pairAt = (text: string, at: number): number => ((text.charCodeAt(at) & 0xff) << 8) | (text.charCodeAt(at + 1) & 0xff)

interface Found {
  readonly from: number
  readonly to: number
}

/** Finds a secret in text whose characters are bytes: all escapes are read, and what no spelling of it needs is left out. */
function finderOf(needles: readonly string[], secret: string): Find {
  // An equals sign may be one of the secret, or say that a mail's line goes on.
  const plain = (text: string): string => text.replaceAll('=', '')
  const isKept = new Uint8Array(256)
  for (const code of Buffer.from(plain(`ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_${secret}`))) isKept[code] = 1
  const isSearched = needles.map(plain).map((needle) => ({ needle, safe: urlSafe(needle) }))
  return (text) => {
    const read = onlyThose(readEscapes(text), isKept)
    const found: Found[] = []
    for (const { needle, safe } of isSearched) {
      for (const one of new Set([needle, safe])) {
        for (let at = read.text.indexOf(one); at >= 0; at = read.text.indexOf(one, at + one.length))
          found.push({ from: read.starts[at] ?? 0, to: read.ends[at + one.length - 1] ?? 0 })
      }
    }
    return found
  }
}

type Find = (text: string) => readonly Found[]

function redactIn(bytes: Buffer, find: Find, isSuspicious: (text: string) => boolean): Buffer | Promise<Buffer> {
  if (bytes.length > SLICE_BYTES) return redactSlices(bytes, find, isSuspicious)
  const text = bytes.toString('latin1')
  return isSuspicious(text) ? without(bytes, find(text)) : bytes
}

/** Slice by slice; what begins in one may end in the next, and so may its sign. */
async function redactSlices(bytes: Buffer, find: Find, isSuspicious: (text: string) => boolean): Promise<Buffer> {
  const found: Found[] = []
  const hasSign = (at: number): boolean =>
    at < bytes.length && isSuspicious(bytes.toString('latin1', at, at + SLICE_BYTES + LONGEST_SIGN_BYTES))
  let isSuspected = hasSign(0)
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    if (at > 0) await itsTurn(SLICE_BYTES)
    const isNextSuspected = hasSign(at + SLICE_BYTES)
    if (isSuspected || isNextSuspected) {
      const text = bytes.toString('latin1', at, at + SLICE_BYTES + OVERLAP_BYTES)
      for (const { from, to } of find(text)) if (from < SLICE_BYTES) found.push({ from: from + at, to: to + at })
    }
    isSuspected = isNextSuspected
  }
  return without(bytes, found)
}

function without(bytes: Buffer, found: readonly Found[]): Buffer {
  if (found.length === 0) return bytes
  const parts: Buffer[] = []
  let kept = 0
  for (const { from, to } of found.toSorted((left, right) => left.from - right.from)) {
    if (from >= kept) parts.push(bytes.subarray(kept, from), REDACTED)
    kept = Math.max(kept, to)
  }
  parts.push(bytes.subarray(kept))
  return Buffer.concat(parts)
}
