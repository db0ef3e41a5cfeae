import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decoder } from './decoder.ts'
import type { OutputFormat } from '#contract'
import { AssetError } from '../../core/ports.ts'
import type { Assets, SmallWidth } from '../../core/ports.ts'
import { isThere, writeWhole } from '../flush.ts'
import { gate } from './gate.ts'
import { MAX_PIXELS } from './image-file.ts'

export interface SmallImageDependencies {
  readonly pathOf: (sha256: string, format: OutputFormat) => string
  /** Half-written files live here. */
  readonly incoming: string
}

/** One at a time: beside the two threads that check delivered images, one of libuv's four stays free for files and names. */
const oneAtATime = gate(1)
const LONGEST_S = 10
const QUALITY = 75
/** Of height to width: a strip stays within what WebP can hold. */
const STEEPEST = 4
const MOST_REMEMBERED = 1_000

/** `<sha256>.jpg.w256.webp`, beside the image: retention counts and removes both together. */
export const smallPathOf = (path: string, width: SmallWidth): string => `${path}.w${width}.webp`

/**
 * A small WebP of a stored image, made when it is first asked for and kept. Those who ask while it is made get the same one. What cannot be
 * decoded is remembered and not tried again. Null where the image is not stored any more.
 */
export function smallImages({ pathOf, incoming }: SmallImageDependencies): Assets['small'] {
  const underWay = new Map<string, Promise<Buffer | null>>()
  const undecodable = new Set<string>()

  async function find(original: string, width: SmallWidth): Promise<Buffer | null> {
    if (!(await isThere(original))) return null
    const path = smallPathOf(original, width)
    const kept = await readFile(path).catch(() => null)
    if (kept !== null) return kept
    if (undecodable.has(original)) throw new AssetError('not_an_image', 'it cannot be decoded')
    let made: Buffer
    try {
      made = await oneAtATime(() => make(original, width))
    } catch (error) {
      if (!(await isThere(original))) return null
      if (undecodable.size >= MOST_REMEMBERED) undecodable.clear()
      undecodable.add(original)
      throw new AssetError('not_an_image', 'it cannot be decoded', { cause: error })
    }
    // Where the disk refuses it, it is served all the same, and made again the next time.
    await writeWhole(path, made, join(incoming, randomUUID())).catch(() => {})
    return made
  }

  return (sha256, format, width) => {
    const original = pathOf(sha256, format)
    const name = smallPathOf(original, width)
    const work = underWay.get(name) ?? find(original, width).finally(() => underWay.delete(name))
    underWay.set(name, work)
    return work
  }
}

/** As it is seen, never larger than it is. Decoding happens off the event loop. */
async function make(path: string, width: SmallWidth): Promise<Buffer> {
  const sharp = await decoder()
  return sharp(path, { limitInputPixels: MAX_PIXELS, failOn: 'error', sequentialRead: true })
    .timeout({ seconds: LONGEST_S })
    .autoOrient()
    .resize({ width, height: width * STEEPEST, fit: 'inside', withoutEnlargement: true })
    .webp({ quality: QUALITY })
    .toBuffer()
}
