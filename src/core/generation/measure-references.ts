import type { Reference } from '../records.ts'
import type { Ports } from '../ports.ts'

/** The most that is read of one image: a JPEG's size stands behind its profiles and thumbnails, seldom this far. */
const MOST_BYTES = 512 * 1024
/** The first look, then twice as many bytes each time. */
const FIRST_BYTES = 4 * 1024
const TIMEOUT_MS = 3_000

/**
 * References behind links with the pixels they have, read from the first bytes each link delivers, all at once. One that cannot be measured
 * in time stays as it was: whoever prices it states what it takes for granted. Never fails, never reads a whole image.
 */
export function measureReferences(
  { download, assets }: Pick<Ports, 'download' | 'assets'>,
  references: readonly Reference[],
): Promise<readonly Reference[]> {
  const measured = new Map<string, Promise<Reference['pixels']>>()

  function pixelsBehind(url: string): Promise<Reference['pixels']> {
    const known = measured.get(url) ?? look(url).catch(() => null)
    measured.set(url, known)
    return known
  }

  async function look(url: string): Promise<Reference['pixels']> {
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
        const size = await assets.measure(Buffer.concat(parts))
        if (size !== null || bytes >= MOST_BYTES) return size
        enough = bytes * 2
      }
      return await assets.measure(Buffer.concat(parts))
    } finally {
      answer.stream.destroy()
    }
  }

  return Promise.all(
    references.map(async (reference) =>
      reference.kind === 'url' && reference.pixels === null ? { ...reference, pixels: await pixelsBehind(reference.url) } : reference,
    ),
  )
}
