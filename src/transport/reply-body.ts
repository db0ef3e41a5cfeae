import type { Json } from '#contract'
import { parseJson } from './json.ts'

/** A body that is not JSON is kept for the eye only. */
export const MAX_TEXT_CHARS = 8 * 1_024

export interface ParsedBody {
  readonly body: Json
  readonly isJson: boolean
  /** Why it was not parsed, after "the reply"; absent where it was tried. */
  readonly refusal?: string
  /** Of the images that came inside it; whoever reads the body releases them. */
  readonly standIns?: readonly string[]
}

/** Parsed JSON; the beginning of the text where it is not JSON; null where it is empty. */
export function parseBody(bytes: Buffer): ParsedBody {
  if (bytes.length === 0) return { body: null, isJson: false }
  const text = bytes.toString()
  try {
    return { body: parseJson(text.startsWith('\uFEFF') ? text.slice(1) : text), isJson: true }
  } catch {
    return { body: text.slice(0, MAX_TEXT_CHARS), isJson: false }
  }
}
