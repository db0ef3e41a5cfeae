import type { Reference } from '../records.ts'
import { MEASURE_TIMEOUT_MS, openLink } from './open-link.ts'
import type { MeasurePorts } from './open-link.ts'

/** The pixels of an image behind a link, as seen; null where they cannot be read in time. Never fails. */
export type PixelsBehind = (url: string) => Promise<Reference['pixels']>

/** References behind links with the pixels they have. One that cannot be measured stays as it was: whoever prices it states what it assumes. */
export type MeasureLinks = (references: readonly Reference[]) => Promise<readonly Reference[]>

/** Reads the pixels of an image from the first bytes that its link delivers, never the whole of it. */
export async function measureLink(ports: MeasurePorts, url: string): Promise<Reference['pixels']> {
  const link = await openLink(ports, url, MEASURE_TIMEOUT_MS).catch(() => null)
  link?.close()
  return link?.pixels ?? null
}

/** Opens no link. */
export const unmeasured: MeasureLinks = (references) => Promise.resolve(references)

/** Measures all links at once, each by `pixelsBehind`. */
export const measuredBy =
  (pixelsBehind: PixelsBehind): MeasureLinks =>
  (references) =>
    Promise.all(
      references.map(async (reference) =>
        reference.kind === 'url' && reference.pixels === null ? { ...reference, pixels: await pixelsBehind(reference.url) } : reference,
      ),
    )
