import type { Reference } from '../records.ts'
import type { Ports } from '../ports.ts'
import { measureLink, measuredBy } from './measure-references.ts'
import type { MeasureLinks } from './measure-references.ts'

const REMEMBERED_MS = 60_000
const MOST_REMEMBERED = 1_000

/**
 * Measures links and remembers each size for a minute: a quote, the purchase after it, and every row of a comparison plan with the same sizes,
 * and a link is fetched once for all of them. What could not be measured is tried again. Each gateway key has its own: else the time of a quote
 * shows what another key asks for.
 */
export function rememberSizes(ports: Pick<Ports, 'download' | 'assets' | 'clock'>): (key: string | null) => MeasureLinks {
  const known = new Map<string, { readonly until: number; readonly pixels: Promise<Reference['pixels']> }>()

  async function measure(url: string, name: string): Promise<Reference['pixels']> {
    const pixels = await measureLink(ports, url)
    if (pixels === null) known.delete(name)
    return pixels
  }

  return (key) =>
    measuredBy((url) => {
      const now = ports.clock.monotonicMs()
      const name = `${JSON.stringify(key)} ${url}`
      const before = known.get(name)
      if (before && before.until > now) return before.pixels
      if (known.size >= MOST_REMEMBERED) known.clear()
      const pixels = measure(url, name)
      known.set(name, { until: now + REMEMBERED_MS, pixels })
      return pixels
    })
}
