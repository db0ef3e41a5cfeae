import { buffer } from 'node:stream/consumers'
import { linksInTurn } from '../../core/generation/links-in-turn.ts'
import { measureLink } from '../../core/generation/measure-references.ts'
import { inlineBytes } from '../../reading/inline-bytes.ts'
import type { Assets, Clock, Download } from '../../core/ports.ts'

interface Pixels {
  readonly width: number
  readonly height: number
}

/**
 * Width and height of a reference image as a request takes it, an http(s) URL or a `data:` URI; null where they cannot be read. A link
 * is opened when `key`, the gateway key that asks, has a turn, as links of its other requests are.
 */
export type MeasureReference = (reference: string, key: string | null) => Promise<Pixels | null>

export function createMeasureReference(sources: {
  readonly assets: Pick<Assets, 'measure'>
  readonly download: Download
  readonly clock: Pick<Clock, 'after'>
}): MeasureReference {
  return async (reference, key) => {
    if (/^data:/i.test(reference)) {
      const bytes = inlineBytes(reference)
      return bytes && sources.assets.measure(Buffer.isBuffer(bytes) ? bytes : await buffer(bytes), true)
    }
    return linksInTurn(sources.clock, key, { reference_images: [reference] }, async (mayOpen) =>
      mayOpen ? measureLink(sources, reference) : null,
    )
  }
}
