import { described, formatOf } from '#contract'
import type { OutputFormat } from '#contract'
import { AssetError } from '../../core/ports.ts'
import { heldReading, heldShrinking, inTurn, isLight, MOST_DECODED_BYTES } from './decode-turns.ts'
import { cutOrDamaged } from './cut-or-damaged.ts'
import { MAX_PIXELS, readThrough, shrink } from './decoder.ts'
import type { Size } from './structure/orientation.ts'
import type { Demand, Verdict } from './structure/verdict.ts'

/** 100 megapixels take a few seconds. A file made to keep a decoder busy is given up. */
const LONGEST_DECODE_S = 60

/**
 * The format by the first bytes, whatever label they carry. Asked before a decoder sees anything, so that only three of libvips' many
 * loaders ever meet bytes from outside.
 * @throws AssetError `not_an_image` that says what the bytes are instead
 */
export function assertFormat(head: Buffer): OutputFormat {
  const format = formatOf(head)
  if (format === null) throw new AssetError('not_an_image', `not a JPEG, PNG or WebP image but ${described(head)}`)
  return format
}

/**
 * The size that its structure found, of an image that may be kept.
 * @param size as seen; null where its headers say none
 * @throws AssetError `not_an_image`, `too_large`
 */
export function checkedSize(size: Size | null, verdict: Verdict): Size {
  if (size !== null && size.width * size.height > MAX_PIXELS)
    throw new AssetError('too_large', `the image has ${size.width} × ${size.height} pixels; at most ${MAX_PIXELS} are taken`)
  if (verdict.kind === 'damaged') throw cutOrDamaged(verdict.why)
  if (size === null || size.width === 0 || size.height === 0) throw cutOrDamaged('its headers say no size')
  return size
}

/** The pages ask for it first. */
export const WIDTH_WHEN_DECODED = 256

export interface Judged {
  readonly source: string | Buffer
  readonly format: OutputFormat
  /** Whose it is: a gateway key that sends many large ones waits behind itself. */
  readonly owner: string
  /** It is paid and must not be lost. */
  readonly isBought: boolean
}

/**
 * An image whose structure shows that it is whole is taken as it is; what is doubtful is decoded, off the event loop, into the small image that
 * is returned then: it can only be had by reading all of it. Of a large PNG every row is read, and nothing made. What would take too much memory is
 * not decoded: one that was bought is taken as its structure is.
 * @throws AssetError `not_an_image`, `too_large`
 */
export async function assertSound(judged: Judged, verdict: Verdict): Promise<Buffer | null> {
  switch (verdict.kind) {
    case 'whole':
      return null
    case 'damaged':
      throw cutOrDamaged(verdict.why)
    case 'doubtful':
      return decoded(judged, verdict.demand)
  }
}

async function decoded({ source, format, owner, isBought }: Judged, demand: Demand): Promise<Buffer | null> {
  const isOnlyRead = format === 'png' && !isLight(demand)
  const held = isOnlyRead ? heldReading(demand) : heldShrinking(demand)
  if (held > MOST_DECODED_BYTES) {
    if (isBought) return null
    throw new AssetError(
      'too_large',
      `to check the image would take ${inMebibytes(held)} MiB of memory, and at most ${inMebibytes(MOST_DECODED_BYTES)} are taken; ${REMEDIES[format]}`,
    )
  }
  const strictness = { failOn: format === 'jpeg' ? 'warning' : 'error', longestS: LONGEST_DECODE_S } as const
  return inTurn(
    demand,
    async () => {
      const image = { source, format }
      if (!isOnlyRead) return shrink(image, WIDTH_WHEN_DECODED, strictness).catch(unreadable)
      await readThrough(image, demand.rows, strictness).catch(unreadable)
      return null
    },
    owner,
  )
}

const REMEDIES: Readonly<Record<OutputFormat, string>> = {
  jpeg: 'save it as a baseline (not progressive) JPEG, or with fewer pixels',
  png: 'save it without interlacing, or with fewer pixels',
  webp: 'save it as a lossy WebP without transparency, or with fewer pixels',
}

const inMebibytes = (bytes: number): string => (bytes / 1_048_576).toFixed(0)

function unreadable(error: unknown): never {
  // libvips puts the path it read from in its message.
  const reason = (error instanceof Error ? error.message : String(error)).replaceAll(/\/\S+/g, 'the file').slice(0, 200)
  throw cutOrDamaged(reason)
}
