import type { OutputFormat } from '#contract'
import { gate } from '../../reading/gate.ts'
import { heldShrinking, inTurn, isLight, MOST_DECODED_BYTES } from './decode-turns.ts'
import { shrink, type Encoded } from './decoder.ts'
import { demandOf } from './measure.ts'
import { AssetError } from '../../core/ports.ts'
import type { Assets, SmallWidth } from '../../core/ports.ts'
import { keyOfImage, type ObjectStorage } from './object-storage.ts'

/** Images on their way from the storage to a decoder, in turns of those whose they are. */
const oneAtATime = gate(1)
const LONGEST_S = 10
const MOST_REMEMBERED = 1_000

/** `<sha256>.jpg.w256.webp`, beside the image: retention counts and removes both together. */
export const smallKeyOf = (key: string, width: SmallWidth): string => `${key}.w${width}.webp`

/**
 * A small WebP of a stored image, made when it is first asked for, unless it was made when the image was checked, and kept. Those who ask while it is made get the same one. What cannot be
 * decoded is remembered and not tried again. Null where the image is not stored any more.
 */
export function smallImages(storage: Pick<ObjectStorage, 'has' | 'read' | 'write'>): Assets['small'] {
  const underWay = new Map<string, Promise<Buffer | null>>()
  const undecodable = new Set<string>()

  async function find(key: string, format: OutputFormat, width: SmallWidth, owner: string): Promise<Buffer | null> {
    if (!(await storage.has(key))) return null
    const kept = await storage.read(smallKeyOf(key, width)).catch(() => null)
    if (kept !== null) return kept
    if (undecodable.has(key)) throw new AssetError('not_an_image', 'it cannot be decoded')
    const made = await make(key, format, width, owner)
    // Where it cannot be kept, it is served all the same, and made again the next time.
    if (made !== null) await storage.write(smallKeyOf(key, width), made).catch(() => {})
    return made
  }

  async function make(key: string, format: OutputFormat, width: SmallWidth, owner: string): Promise<Buffer | null> {
    const demand = await oneAtATime(async () => {
      const bytes = await storage.read(key)
      if (bytes === null) return null
      const takes = await demandOf(bytes, format, owner)
      return isLight(takes) ? inTurn(takes, () => shrunk(key, { source: bytes, format }, width), owner) : takes
    }, owner)
    if (demand === null || Buffer.isBuffer(demand)) return demand
    if (heldShrinking(demand) > MOST_DECODED_BYTES) throw undecodableNow(key)
    // Not held while others have their turn.
    const again = async () => {
      const bytes = await storage.read(key)
      return bytes === null ? null : shrunk(key, { source: bytes, format }, width)
    }
    return inTurn(demand, again, owner)
  }

  const shrunk = (key: string, image: Encoded, width: SmallWidth): Promise<Buffer> =>
    shrink(image, width, { failOn: 'error', longestS: LONGEST_S }).catch((error: unknown) => {
      throw undecodableNow(key, error)
    })

  function undecodableNow(key: string, cause?: unknown): AssetError {
    if (undecodable.size >= MOST_REMEMBERED) undecodable.clear()
    undecodable.add(key)
    return new AssetError('not_an_image', 'it cannot be decoded', { cause })
  }

  return async (sha256, format, width, owner = '') => {
    const key = keyOfImage(sha256, format)
    const name = smallKeyOf(key, width)
    const work = underWay.get(name) ?? find(key, format, width, owner).finally(() => underWay.delete(name))
    underWay.set(name, work)
    return work
  }
}
