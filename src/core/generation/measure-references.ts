import type { Reference } from '../records.ts'
import { MEASURE_TIMEOUT_MS, openLink } from './open-link.ts'
import type { MeasurePorts } from './open-link.ts'

/**
 * References behind links with the pixels they have as seen, read from the first bytes each link delivers, all at once, each link once. One
 * that cannot be measured in time stays as it was: whoever prices it states what it assumes. Never fails, never reads a whole image.
 */
export function measureReferences(ports: MeasurePorts, references: readonly Reference[]): Promise<readonly Reference[]> {
  const measured = new Map<string, Promise<Reference['pixels']>>()

  function pixelsBehind(url: string): Promise<Reference['pixels']> {
    const known = measured.get(url) ?? readPixels(ports, url).catch(() => null)
    measured.set(url, known)
    return known
  }

  return Promise.all(
    references.map(async (reference) =>
      reference.kind === 'url' && reference.pixels === null ? { ...reference, pixels: await pixelsBehind(reference.url) } : reference,
    ),
  )
}

async function readPixels(ports: MeasurePorts, url: string): Promise<Reference['pixels']> {
  const link = await openLink(ports, url, MEASURE_TIMEOUT_MS)
  link?.close()
  return link?.pixels ?? null
}
