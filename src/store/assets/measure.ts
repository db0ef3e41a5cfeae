import { formatOf } from '#contract'
import type { OutputFormat } from '#contract'
import { MAX_PIXELS } from './decoder.ts'
import { takeInTurns } from './incoming.ts'
import type { Size } from './structure/orientation.ts'
import { structureOf } from './structure/structure.ts'
import { type Demand, UNKNOWN_DEMAND } from './structure/verdict.ts'

/**
 * Width and height as seen, from an image's first bytes, whose rest was never fetched; null where they do not say it, or say more than
 * 100 megapixels. A JPEG may keep its size behind a long profile, a WebP its orientation behind all its pixels: more bytes may say it.
 * @param isLast no more bytes will be read: where only the orientation is unknown, the sides as they lie in the file are the answer
 */
export async function measureHead(head: Buffer, isLast = false): Promise<Size | null> {
  const format = formatOf(head)
  if (format === null) return null
  const structure = structureOf(format, null)
  await takeInTurns(head, structure, '', () => structure.size(false) !== null)
  const { width, height } = structure.size(isLast) ?? { width: 0, height: 0 }
  return width > 0 && height > 0 && width * height <= MAX_PIXELS ? { width, height } : null
}

/**
 * What it takes to decode an image that was checked before: no more of it is read than its headers, however far into it they reach.
 * @param owner whose turns among the others it takes
 */
export async function demandOf(image: Buffer, format: OutputFormat, owner: string): Promise<Demand> {
  const structure = structureOf(format, null)
  await takeInTurns(image, structure, owner, () => structure.demand() !== null)
  return structure.demand() ?? UNKNOWN_DEMAND
}
