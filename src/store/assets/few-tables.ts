import { isTimeForLittle, itsTurn } from '../../reading/turn-share.ts'
import { cutOrDamaged } from './cut-or-damaged.ts'
import { countTables } from './structure/lossless-tables.ts'
import { losslessIn } from './structure/webp.ts'

/** The encoder of libwebp, which nearly all use, writes 2,600 at most. */
const MOST_TABLES = 5_000

/**
 * A decoder makes all code tables of a lossless WebP before it makes a pixel, up to 14 kB each: 65,536 of them take a
 * gigabyte and seconds, and how many there are stands behind other data that nobody else reads.
 * @throws AssetError `not_an_image` where it has more
 */
export async function assertFewTables(webp: Buffer): Promise<void> {
  const lossless = losslessIn(webp)
  if (lossless === null) return
  const counting = countTables(webp.subarray(0, lossless.end), lossless.at, lossless.size, MOST_TABLES)
  for (;;) {
    const { done, value } = counting.next()
    if (done === true && value > MOST_TABLES) throw cutOrDamaged(`it has more than ${MOST_TABLES} code tables`)
    if (done === true) return
    if (!isTimeForLittle()) await itsTurn(0)
  }
}
