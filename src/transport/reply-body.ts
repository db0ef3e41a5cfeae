import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, zstdDecompress } from 'node:zlib'
import type { Json } from '#contract'
import { parseJson } from './json.ts'

/** A body that is not JSON is kept for the eye only. */
const MAX_TEXT_CHARS = 8 * 1_024

const decoders: Readonly<Record<string, (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
}

/**
 * Undoes a content-encoding; a vendor may compress although it is asked not to.
 * @throws Error where the encoding is unknown, the bytes are damaged, or the result exceeds `maxBytes`
 */
export async function decode(bytes: Buffer, encoding: string, maxBytes: number): Promise<Buffer> {
  const steps = encoding
    .split(',')
    .map((step) => step.trim().toLowerCase())
    .toReversed()
  let decoded = bytes
  for (const step of steps) {
    if (step === '' || step === 'identity') continue
    const decoder = Object.hasOwn(decoders, step) ? decoders[step] : undefined
    if (decoder === undefined) throw new Error(`unknown content-encoding ${step.slice(0, 40)}`)
    decoded = await decoder(decoded, { maxOutputLength: maxBytes })
  }
  return decoded
}

export interface ParsedBody {
  readonly body: Json
  readonly isJson: boolean
}

/** A shorter key is found in innocent text as well. */
const MIN_SECRET_CHARS = 8

/**
 * Parsed JSON; the beginning of the text where it is not JSON; null where it is empty.
 * A vendor that says our key back in its words does not get it any further than here.
 */
export function parseBody(bytes: Buffer, key = ''): ParsedBody {
  if (bytes.length === 0) return { body: null, isJson: false }
  const told = bytes.toString()
  const text = key.length >= MIN_SECRET_CHARS && told.includes(key) ? told.replaceAll(key, '[redacted]') : told
  try {
    return { body: parseJson(text.startsWith('\uFEFF') ? text.slice(1) : text), isJson: true }
  } catch {
    return { body: text.slice(0, MAX_TEXT_CHARS), isJson: false }
  }
}
