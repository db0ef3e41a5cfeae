import { buffer } from 'node:stream/consumers'
import { measureLink } from '../../core/generation/measure-references.ts'
import { inlineBytes } from '../../reading/inline-bytes.ts'
import type { Assets, Download } from '../../core/ports.ts'

interface Pixels {
  readonly width: number
  readonly height: number
}

/** Width and height of a reference image as a request takes it, an http(s) URL or a `data:` URI; null where they cannot be read. */
export type MeasureReference = (reference: string) => Promise<Pixels | null>

export function createMeasureReference(sources: {
  readonly assets: Pick<Assets, 'measure'>
  readonly download: Download
}): MeasureReference {
  return async (reference) => {
    if (/^data:/i.test(reference)) {
      const bytes = inlineBytes(reference)
      return bytes && sources.assets.measure(Buffer.isBuffer(bytes) ? bytes : await buffer(bytes), true)
    }
    return measureLink(sources, reference)
  }
}
