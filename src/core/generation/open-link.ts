import { Readable } from 'node:stream'
import type { Reference } from '../records.ts'
import type { Ports } from '../ports.ts'

/** The most that is read of one image to measure it: a JPEG's size stands behind its profiles and thumbnails, seldom this far. */
const MOST_BYTES = 512 * 1024
/** How many are read first, then twice as many each time. */
const FIRST_BYTES = 4 * 1024
/** The longest silence, and the longest that measuring takes. */
export const MEASURE_TIMEOUT_MS = 3_000

export interface MeasurePorts {
  readonly download: Ports['download']
  readonly assets: Pick<Ports['assets'], 'measure'>
}

/** An image behind a link, of which so many bytes have been read as say its size. Closed once by whoever opened it. */
export interface OpenLink {
  /** As seen; null where the first bytes do not say it. */
  readonly pixels: Reference['pixels']
  /** All its bytes, those that were read for its size first; called once. */
  all(): Readable
  close(): void
}

/**
 * Opens a link and measures what is behind it; null where nothing can be fetched. However large an image is, no more of it is read.
 * @param timeoutMs from now to the last byte, should all be read
 */
export async function openLink({ download, assets }: MeasurePorts, url: string, timeoutMs: number): Promise<OpenLink | null> {
  const answer = await download(url, { maxBytes: Number.MAX_SAFE_INTEGER, silenceMs: MEASURE_TIMEOUT_MS, timeoutMs })
  if (answer.kind !== 'body') return null
  const { stream } = answer
  const chunks: AsyncIterator<Uint8Array> = stream.iterator({ destroyOnReturn: false })
  const parts: Buffer[] = []
  try {
    const pixels = await measure(assets, chunks, parts)
    return {
      pixels,
      all: () => Readable.from(concatenated(parts, chunks), { objectMode: false }),
      close: () => void stream.destroy(),
    }
  } catch {
    stream.destroy()
    return null
  }
}

async function measure(assets: MeasurePorts['assets'], chunks: AsyncIterator<Uint8Array>, parts: Buffer[]): Promise<Reference['pixels']> {
  let bytes = 0
  let enough = FIRST_BYTES
  for (;;) {
    const { done, value } = await chunks.next()
    if (done === true) return assets.measure(Buffer.concat(parts), true)
    parts.push(Buffer.from(value))
    bytes += value.length
    if (bytes < enough) continue
    const isLast = bytes >= MOST_BYTES
    const size = await assets.measure(Buffer.concat(parts), isLast)
    if (size !== null || isLast) return size
    enough = bytes * 2
  }
}

async function* concatenated(first: readonly Buffer[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* first
  for (;;) {
    const { done, value } = await rest.next()
    if (done === true) return
    yield value
  }
}
