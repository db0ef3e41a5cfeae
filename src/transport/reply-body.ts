import type { Json } from '#contract'
import { parseJson } from './json.ts'

/** A body that is not JSON is kept for the eye only. */
export const MAX_TEXT_CHARS = 8 * 1_024

export interface ParsedBody {
  readonly body: Json
  readonly isJson: boolean
  /** Why it was not parsed, after "the reply"; absent where it was tried. */
  readonly refusal?: string
}

/** A shorter key is found in innocent text as well. */
const MIN_SECRET_CHARS = 8

/**
 * Parsed JSON; the beginning of the text where it is not JSON; null where it is empty.
 * A key that a vendor repeats in its reply gets no further than here.
 */
export function parseBody(bytes: Buffer, key = ''): ParsedBody {
  if (bytes.length === 0) return { body: null, isJson: false }
  const received = bytes.toString()
  const text = key.length >= MIN_SECRET_CHARS && received.includes(key) ? received.replaceAll(key, '[redacted]') : received
  try {
    return { body: parseJson(text.startsWith('\uFEFF') ? text.slice(1) : text), isJson: true }
  } catch {
    return { body: text.slice(0, MAX_TEXT_CHARS), isJson: false }
  }
}
