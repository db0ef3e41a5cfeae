import type { Reference } from '../records.ts'
import type { Ports } from '../ports.ts'
import { measureLink, measuredBy } from './measure-references.ts'
import type { MeasureLinks } from './measure-references.ts'

const REMEMBERED_MS = 60_000
const MOST_REMEMBERED = 1_000

/**
 * Measures links and remembers each size for a minute: a quote, the purchase after it, and every row of a comparison plan with the same sizes,
 * and a link is fetched once for all of them. What could not be measured is tried again.
 */
export function rememberSizes(ports: Pick<Ports, 'download' | 'assets' | 'clock'>): MeasureLinks {
  const known = new Map<string, { readonly until: number; readonly pixels: Promise<Reference['pixels']> }>()

  async function measure(url: string): Promise<Reference['pixels']> {
    const pixels = await measureLink(ports, url)
    if (pixels === null) known.delete(url)
    return pixels
  }

  return measuredBy((url) => {
    const now = ports.clock.monotonicMs()
    const before = known.get(url)
    if (before && before.until > now) return before.pixels
    if (known.size >= MOST_REMEMBERED) known.clear()
    const pixels = measure(url)
    known.set(url, { until: now + REMEMBERED_MS, pixels })
    return pixels
  })
}
