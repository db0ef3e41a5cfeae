import type { Reference } from '../records.ts'
import type { Ports } from '../ports.ts'

/** The most that is read of one image: a JPEG's size stands behind its profiles and thumbnails, seldom this far. */
const MOST_BYTES = 512 * 1024
/** How many are read first, then twice as many each time. */
const FIRST_BYTES = 4 * 1024
const TIMEOUT_MS = 3_000

type MeasurePorts = Pick<Ports, 'download' | 'assets'>

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

async function readPixels({ download, assets }: MeasurePorts, url: string): Promise<Reference['pixels']> {
  // The limit is kept while reading: an image may be far larger than what is read of it.
  const answer = await download(url, { maxBytes: Number.MAX_SAFE_INTEGER, silenceMs: TIMEOUT_MS, timeoutMs: TIMEOUT_MS })
  if (answer.kind !== 'body') return null
  const parts: Buffer[] = []
  let bytes = 0
  let enough = FIRST_BYTES
  try {
    for await (const part of answer.stream as AsyncIterable<Uint8Array>) {
      parts.push(Buffer.from(part))
      bytes += part.length
      if (bytes < enough) continue
      const isLast = bytes >= MOST_BYTES
      const size = await assets.measure(Buffer.concat(parts), isLast)
      if (size !== null || isLast) return size
      enough = bytes * 2
    }
    return await assets.measure(Buffer.concat(parts), true)
  } finally {
    answer.stream.destroy()
  }
}
