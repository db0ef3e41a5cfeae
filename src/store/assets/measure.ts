import { formatOf } from '#contract'
import { isTimeForLittle, itsTurn } from '../../reading/turn-share.ts'
import { MAX_PIXELS } from './decoder.ts'
import type { Size } from './structure/orientation.ts'
import { structureOf } from './structure/structure.ts'

const STEP_BYTES = 16 * 1_024
const AT_ONCE_MS = 3

/**
 * Width and height as seen, from an image's first bytes, whose rest was never fetched; null where they do not say it, or say more than
 * 100 megapixels. A JPEG may keep its size behind a long profile, a WebP its orientation behind all its pixels: more bytes may say it.
 * @param isLast no more bytes will be read: where only the orientation is unknown, the sides as they lie in the file are the answer
 */
export async function measureHead(head: Buffer, isLast = false): Promise<Size | null> {
  const format = formatOf(head)
  if (format === null) return null
  const structure = structureOf(format, null)
  let size: Size | null = null
  for (let at = 0; at < head.length && size === null; at += STEP_BYTES) {
    // Headers may be megabytes of a thousand parts.
    if (!isTimeForLittle(AT_ONCE_MS)) await itsTurn(STEP_BYTES, '')
    structure.take(head.subarray(at, at + STEP_BYTES))
    size = structure.size(false)
  }
  const { width, height } = size ?? structure.size(isLast) ?? { width: 0, height: 0 }
  return width > 0 && height > 0 && width * height <= MAX_PIXELS ? { width, height } : null
}
