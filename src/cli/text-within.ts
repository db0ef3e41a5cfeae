/** All that a stream brings, as text; null once it brings more than the bound, and nothing more of it is read. */
export async function textWithin(stream: AsyncIterable<Uint8Array>, mostMegabytes: number): Promise<string | null> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of stream) {
    bytes += part.length
    if (bytes > mostMegabytes * 1_024 * 1_024) return null
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
