import type { Reference } from '../records.ts'
import type { Ports } from '../ports.ts'
import { measureReferences } from './measure-references.ts'

const REMEMBERED_MS = 60_000
const MOST_REMEMBERED = 1_000

/** References behind links with the pixels they have; see `measureReferences`. */
export type MeasureLinks = (references: readonly Reference[]) => Promise<readonly Reference[]>

/**
 * Measures as `measureReferences` does and remembers each size for a minute: a quote, the purchase after it, and every row of a comparison plan
 * with the same sizes, and a link is fetched once for all of them. What could not be measured is tried again.
 */
export function rememberSizes(ports: Pick<Ports, 'download' | 'assets' | 'clock'>): MeasureLinks {
  const known = new Map<string, { readonly until: number; readonly pixels: Promise<Reference['pixels']> }>()

  async function measure(reference: Reference, url: string): Promise<Reference['pixels']> {
    const [measured] = await measureReferences(ports, [reference])
    const pixels = measured?.pixels ?? null
    if (pixels === null) known.delete(url)
    return pixels
  }

  function pixelsOf(reference: Reference, url: string): Promise<Reference['pixels']> {
    const now = ports.clock.monotonicMs()
    const before = known.get(url)
    if (before && before.until > now) return before.pixels
    if (known.size >= MOST_REMEMBERED) known.clear()
    const pixels = measure(reference, url)
    known.set(url, { until: now + REMEMBERED_MS, pixels })
    return pixels
  }

  return (references) =>
    Promise.all(
      references.map(async (reference) =>
        reference.kind === 'url' && reference.pixels === null
          ? { ...reference, pixels: await pixelsOf(reference, reference.url) }
          : reference,
      ),
    )
}
